//! Why a folder can't do what was asked, with S3's code and status for it.

use std::fmt;
use std::io;

/// What went wrong in the folder. A missing object and a refused condition are answers, not faults.
#[derive(Debug)]
pub enum Fault {
    /// The directory itself is gone.
    NoBucket,
    /// No object can have this key, for the reason given.
    Key(&'static str),
    /// The key, or the escaped name of one of its parts, is too long.
    KeyTooLong,
    /// The key is the parent of another object's, or has an object as its parent.
    InTheWay,
    /// A link stands where a directory or a file of the folder is to be; its name.
    Link(String),
    /// The range begins beyond the object's end.
    Range {
        /// The object's size in bytes.
        size: u64,
    },
    /// More bytes than allowed.
    TooLarge {
        /// How many there are.
        bytes: u64,
        /// How many may be.
        bytes_max: u64,
    },
    /// The disk or the quota is full.
    Full,
    /// The system refuses: permissions, or a disk mounted read-only.
    Denied(io::Error),
    /// Anything else the system says.
    Io(io::Error),
}

impl Fault {
    /// S3's error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoBucket => "NoSuchBucket",
            Self::Key(_) => "InvalidArgument",
            Self::KeyTooLong => "KeyTooLongError",
            Self::InTheWay => "InvalidRequest",
            Self::Link(_) => "AccessDenied",
            Self::Range { .. } => "InvalidRange",
            Self::TooLarge { .. } => "EntityTooLarge",
            Self::Full => "StorageFull",
            Self::Denied(_) => "AccessDenied",
            Self::Io(_) => "InternalError",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::NoBucket => 404,
            Self::Key(_) | Self::KeyTooLong | Self::InTheWay | Self::TooLarge { .. } => 400,
            Self::Range { .. } => 416,
            Self::Full => 507,
            Self::Link(_) | Self::Denied(_) => 403,
            Self::Io(_) => 500,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBucket => f.write_str("there is no such folder"),
            Self::Key(why) => write!(f, "no object can have this key: {why}"),
            Self::KeyTooLong => f.write_str("the key, or one part of it, is too long for a file name"),
            Self::InTheWay => f.write_str("in a folder one key can't be the parent of another, and here both would be"),
            Self::Link(name) => {
                write!(
                    f,
                    "`{name}` in the folder is a link, and links are not followed: remove it, or put the files there"
                )
            }
            Self::Range { size } => write!(f, "the range begins beyond the object's {size} bytes"),
            Self::TooLarge { bytes, bytes_max } => write!(f, "{bytes} bytes, where at most {bytes_max} are allowed"),
            Self::Full => f.write_str("the disk is full"),
            Self::Denied(error) => write!(f, "the system refuses access to the folder: {error}"),
            Self::Io(error) => write!(f, "the folder failed: {error}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded => Self::Full,
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Self::Denied(error),
            Kind::InvalidFilename => Self::KeyTooLong,
            Kind::IsADirectory | Kind::NotADirectory => Self::InTheWay,
            _ => Self::Io(error),
        }
    }
}
