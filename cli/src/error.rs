//! The one place where an error becomes words and an exit code.

use crate::output;
use cairn_node::control::Refusal;
use cairn_node::error::NodeError;

/// Done.
pub(crate) const DONE: u8 = 0;
/// Done, and there is something to look at.
pub(crate) const LOOK: u8 = 1;
/// The command line makes no sense.
pub(crate) const USAGE: u8 = 2;
/// What was named is not there, or could be several things.
pub(crate) const NOT_FOUND: u8 = 3;
/// Rights, verification or policy forbid it, or the system did.
pub(crate) const REFUSED: u8 = 4;
/// No peer could be reached.
pub(crate) const NETWORK: u8 = 5;
/// Damaged data was found.
pub(crate) const DAMAGED: u8 = 6;
/// cairn is wrong.
pub(crate) const BUG: u8 = 70;

/// Why a command ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// A stable word for programs.
    pub(crate) code: String,
    /// What was tried, and what was found.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: String,
    /// The exit code.
    pub(crate) exit: u8,
    /// What programs may want to know beside that.
    pub(crate) details: Option<serde_json::Value>,
}

impl Failure {
    /// A failure with these words.
    pub(crate) fn new(exit: u8, code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), hint: hint.into(), exit, details: None }
    }

    /// A command line that makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, "E_USAGE", message, "see --help")
    }

    /// An answer to another question than was asked.
    pub(crate) fn unasked() -> Self {
        Self::new(BUG, "E_BUG", "the owner of the home answered another question", "please report it")
    }

    /// Tells the user, and gives the exit code.
    pub(crate) fn report(&self, json: bool) -> u8 {
        if json {
            let Self { code, message, hint, details, .. } = self;
            let mut told = serde_json::json!({ "code": code, "message": message, "hint": hint });
            if let (Some(details), Some(fields)) = (details, told.as_object_mut()) {
                fields.insert("details".to_owned(), details.clone());
            }
            output::line(&told.to_string());
        } else {
            eprintln!("cairn: {}\n  hint: {}", self.message, self.hint);
        }
        self.exit
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let details = error.details();
        Self { details, ..Self::new(error.exit_code(), error.code(), error.to_string(), error.hint()) }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, message, hint, exit, details } = refusal;
        Self { code, message, hint, exit, details }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(REFUSED, "E_IO", error.to_string(), "check the path and its permissions")
    }
}
