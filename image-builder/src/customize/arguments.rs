//! Kernel arguments of the farmer's own: what may be said, and how a list is changed.

use super::CustomizeError;

/// Most characters of all arguments together: the kernel takes 2047 (COMMAND_LINE_SIZE), and the
/// loaders' own arguments need up to 300 of them.
pub const ARGUMENTS_LIMIT: usize = 1700;

/// How the arguments are to change. Without `replace` the present ones are the base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArgumentChange {
    /// All arguments, instead of the present ones.
    pub replace: Option<String>,
    /// Arguments to take away, exactly as they stand.
    pub delete: Vec<String>,
    /// Arguments to add at the end.
    pub append: Vec<String>,
}

impl ArgumentChange {
    /// Whether nothing is to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The arguments that result from `present`.
    ///
    /// # Errors
    /// [`CustomizeError::NoSuchArgument`], [`CustomizeError::ForbiddenArgument`],
    /// [`CustomizeError::ArgumentsTooLong`].
    pub fn apply(&self, present: &str) -> Result<String, CustomizeError> {
        let base = self.replace.as_deref().unwrap_or(present);
        let mut words: Vec<&str> = base.split_ascii_whitespace().collect();
        for argument in self.delete.iter().flat_map(|a| a.split_ascii_whitespace()) {
            let at = words.iter().position(|word| *word == argument);
            let at = at.ok_or_else(|| CustomizeError::NoSuchArgument {
                argument: argument.to_owned(),
            })?;
            words.remove(at);
        }
        words.extend(self.append.iter().flat_map(|a| a.split_ascii_whitespace()));
        for word in &words {
            check(word)?;
        }
        let line = words.join(" ");
        if line.len() > ARGUMENTS_LIMIT {
            return Err(CustomizeError::ArgumentsTooLong {
                length: line.len(),
                limit: ARGUMENTS_LIMIT,
            });
        }
        Ok(line)
    }
}

/// Arguments that would make the machine run something else than the image: the regions are outside
/// of every signature, so whoever holds a stick could otherwise boot anything under our name.
fn check(argument: &str) -> Result<(), CustomizeError> {
    let key = argument.split('=').next().unwrap_or_default();
    // The kernel takes `-` and `_` in names for the same.
    let name = key.replace('-', "_").to_ascii_lowercase();
    let prefix = name.split('.').next().unwrap_or_default();
    let reason = match name.as_str() {
        "init" | "rdinit" => "it names another program to start",
        "initrd" | "initrdmem" | "root" => "it names another system to start",
        "farm.medium" => "the loader says where the node was started from",
        // What follows `--` is handed to init.
        "__" => "it ends the kernel's arguments",
        _ => match prefix {
            "module" | "firmware_class" => "it decides which code the kernel loads",
            "sysctl" => "it can name a program for the kernel to run",
            _ => return Ok(()),
        },
    };
    Err(CustomizeError::ForbiddenArgument {
        argument: argument.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(replace: Option<&str>, delete: &[&str], append: &[&str]) -> ArgumentChange {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        ArgumentChange {
            replace: replace.map(str::to_owned),
            delete: owned(delete),
            append: owned(append),
        }
    }

    #[test]
    fn lists_are_changed_word_by_word() {
        let apply = |c: ArgumentChange| c.apply("a=1 b  c").unwrap();
        assert_eq!(apply(change(None, &[], &[])), "a=1 b c");
        assert_eq!(
            apply(change(None, &["b"], &["d=2 e", "b"])),
            "a=1 c d=2 e b"
        );
        assert_eq!(apply(change(Some("x y"), &["x"], &[])), "y");
        assert!(change(None, &["a"], &[]).apply("a=1").is_err());
    }

    #[test]
    fn what_would_start_something_else_is_refused() {
        for bad in [
            "init=/bin/sh",
            "rdinit=/x",
            "initrd=/y",
            "root=/dev/sda1",
            "--",
            "RDINIT=/x",
            "sysctl.kernel.modprobe=/x",
            "firmware-class.path=/x",
            "module.sig_enforce=0",
            "farm.medium=cd",
        ] {
            let error = change(None, &[], &[bad]).apply("").unwrap_err();
            assert!(
                matches!(error, CustomizeError::ForbiddenArgument { .. }),
                "{bad}"
            );
        }
        for good in [
            "console=ttyS1,115200",
            "farmer_id=7",
            "nomodeset",
            "pci=noaer",
        ] {
            change(None, &[], &[good]).apply("").unwrap();
        }
    }

    #[test]
    fn the_limit_is_exact() {
        let append = |n: usize| change(None, &[], &["x".repeat(n).as_str()]).apply("");
        assert_eq!(append(ARGUMENTS_LIMIT).unwrap().len(), ARGUMENTS_LIMIT);
        let error = append(ARGUMENTS_LIMIT + 3).unwrap_err();
        assert!(error.to_string().contains("3 too many"), "{error}");
    }
}
