//! Which clients a pattern means.

use crate::catalog::inventory::glob;

/// Whether `pattern`, in which `*` stands for any characters, means this client; case is ignored.
pub fn is_about(pattern: &str, client: &str) -> bool {
    glob(pattern, client)
}
