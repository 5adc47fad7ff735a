//! portreeve
