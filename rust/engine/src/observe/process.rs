//! What the operating system knows about this process. The engine makes no system calls of its own: it reads `/proc` where
//! there is one, and who embeds it may know more.

use std::fs;

/// Seconds of processor time, user and system.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuTimes {
    /// In user mode.
    pub user_s: f64,
    /// In the kernel.
    pub system_s: f64,
}

/// Figures of the process that INFO shows. `None`: not known, the field is left out.
pub trait Process: Send + Sync {
    /// Processor time of all threads.
    fn cpu(&self) -> Option<CpuTimes> {
        read_stat("/proc/self/stat").map(|stat| stat.own)
    }

    /// Processor time of ended children.
    fn children_cpu(&self) -> Option<CpuTimes> {
        read_stat("/proc/self/stat").map(|stat| stat.children)
    }

    /// Processor time of the main thread.
    fn main_thread_cpu(&self) -> Option<CpuTimes> {
        read_stat(&format!("/proc/self/task/{}/stat", std::process::id())).map(|stat| stat.own)
    }

    /// Bytes of physical memory in use.
    fn resident_bytes(&self) -> Option<u64> {
        kib_field(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
    }

    /// Bytes of physical memory of the machine.
    fn system_memory_bytes(&self) -> Option<u64> {
        kib_field(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
    }

    /// Name, release and machine: `Linux 6.1.0 x86_64`.
    fn system(&self) -> String {
        let read = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok();
        let (kind, release) = (read("ostype"), read("osrelease"));
        let kind = kind.as_deref().map_or(std::env::consts::OS, str::trim);
        format!("{kind} {} {}", release.as_deref().unwrap_or_default().trim(), std::env::consts::ARCH)
    }

    /// Path of the program.
    fn executable(&self) -> Option<String> {
        Some(std::env::current_exe().ok()?.to_string_lossy().into_owned())
    }

    /// Absolute path of the configuration file; empty without one.
    fn config_file(&self) -> String {
        String::new()
    }

    /// Name of the allocator.
    fn allocator(&self) -> &'static str {
        "system"
    }
}

/// This process, as `/proc` shows it.
#[derive(Debug, Default, Clone, Copy)]
pub struct ThisProcess;

impl Process for ThisProcess {}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    own: CpuTimes,
    children: CpuTimes,
}

/// Clock ticks per second in `/proc`: the kernel's interface has fixed it at 100 on every machine that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

fn read_stat(path: &str) -> Option<Stat> {
    parse_stat(&fs::read_to_string(path).ok()?)
}

/// Fields 14 to 17 of `stat`. The name before them is in parentheses and may hold anything, even parentheses.
fn parse_stat(text: &str) -> Option<Stat> {
    let behind_name = text.get(text.rfind(')')? + 1..)?;
    let mut times = behind_name.split_ascii_whitespace().skip(11).map(|word| word.parse::<u64>().ok());
    let mut next_s = || times.next().flatten().map(|ticks| ticks as f64 / TICKS_PER_SECOND);
    let own = CpuTimes { user_s: next_s()?, system_s: next_s()? };
    let children = CpuTimes { user_s: next_s()?, system_s: next_s()? };
    Some(Stat { own, children })
}

/// `VmRSS:     1234 kB` as bytes.
fn kib_field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_the_end_of_a_name() {
        let text = "4242 (a) b) 7) S 1 2 3 4 5 6 7 8 9 10 150 25 300 1 20 0 1 0 100";
        let stat = parse_stat(text).unwrap();
        assert_eq!(stat.own, CpuTimes { user_s: 1.5, system_s: 0.25 });
        assert_eq!(stat.children, CpuTimes { user_s: 3.0, system_s: 0.01 });
        assert_eq!(parse_stat("4242 (a) S 1 2"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn memory_comes_in_kib() {
        assert_eq!(kib_field("VmPeak: 9 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12 * 1024));
        assert_eq!(kib_field("VmRSS: x kB", "VmRSS:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_used_something() {
        let process = ThisProcess;
        assert!(process.resident_bytes().unwrap() > 100_000);
        assert!(process.system_memory_bytes().unwrap() > process.resident_bytes().unwrap());
        assert!(process.cpu().unwrap().user_s >= process.main_thread_cpu().unwrap().user_s);
        assert!(process.system().starts_with("Linux "));
    }
}
