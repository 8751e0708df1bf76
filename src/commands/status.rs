//! How a command ended.

/// The outcome of a command, from harmless to grave. Of several devices the gravest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Status {
    /// Done, nothing wrong.
    #[default]
    Done,
    /// Failed, or something wrong was found.
    Failed,
    /// Refused; nothing was written.
    Refused,
    /// An I/O error: something could not be read or written.
    Unreadable,
}

impl Status {
    /// The exit status of the process.
    pub fn code(self) -> u8 {
        match self {
            Status::Done => 0,
            Status::Failed => 1,
            Status::Refused => 3,
            Status::Unreadable => 4,
        }
    }

    /// The same under mdadm's spellings, which know success and failure alone.
    pub fn mdadm_code(self) -> u8 {
        u8::from(self != Status::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn the_gravest_is_the_greatest() {
        let mut all = [
            Status::Refused,
            Status::Done,
            Status::Unreadable,
            Status::Failed,
        ];
        all.sort();
        assert_eq!(all.map(Status::code), [0, 1, 3, 4]);
        assert_eq!(all.map(Status::mdadm_code), [0, 1, 1, 1]);
    }
}
