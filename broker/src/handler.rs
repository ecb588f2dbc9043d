//! What runs when an action is called or an event arrives.

/// Runs an action.
pub(crate) type ActionFn = std::sync::Arc<dyn Fn() + Send + Sync>;
/// Handles an event.
pub(crate) type EventFn = std::sync::Arc<dyn Fn() + Send + Sync>;
