//! The assertion that documents "both happen".

/// States that a condition may or may not hold here, and that both are right. Evaluates the
/// condition (so that it keeps compiling) and does nothing with it.
#[macro_export]
macro_rules! maybe {
    ($condition:expr) => {
        let _: bool = $condition;
    };
}
