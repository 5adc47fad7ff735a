//! mock servers
