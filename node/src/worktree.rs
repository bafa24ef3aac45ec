//! A folder that shows one version of a project.

pub mod beneath;
