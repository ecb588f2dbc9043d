//! What names a transporter in code.

use std::sync::Arc;

use super::TransporterUrl;
use crate::Transporter;

/// A value that names a transporter: a URL, or a configured transporter.
pub trait IntoTransporter: sealed::Sealed {
    /// The transporter that it names. For the broker.
    #[doc(hidden)]
    fn into_choice(self) -> TransporterChoice;
}

/// A transporter, or the URL of one. For the broker.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub enum TransporterChoice {
    /// A URL, which is looked up among the schemes that a program knows.
    Url(TransporterUrl),
    /// A transporter.
    Transporter(Arc<dyn Transporter>),
}

impl IntoTransporter for &str {
    fn into_choice(self) -> TransporterChoice {
        TransporterChoice::Url(TransporterUrl::new(self))
    }
}

impl IntoTransporter for String {
    fn into_choice(self) -> TransporterChoice {
        TransporterChoice::Url(TransporterUrl::new(self))
    }
}

impl IntoTransporter for &String {
    fn into_choice(self) -> TransporterChoice {
        TransporterChoice::Url(TransporterUrl::new(self))
    }
}

impl IntoTransporter for TransporterUrl {
    fn into_choice(self) -> TransporterChoice {
        TransporterChoice::Url(self)
    }
}

impl<T: Transporter> IntoTransporter for T {
    fn into_choice(self) -> TransporterChoice {
        TransporterChoice::Transporter(Arc::new(self))
    }
}

impl IntoTransporter for Arc<dyn Transporter> {
    fn into_choice(self) -> TransporterChoice {
        TransporterChoice::Transporter(self)
    }
}

mod sealed {
    use super::{Arc, Transporter, TransporterUrl};

    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for String {}
    impl Sealed for &String {}
    impl Sealed for TransporterUrl {}
    impl<T: Transporter> Sealed for T {}
    impl Sealed for Arc<dyn Transporter> {}
}
