//! A real ssh server on a loopback port for one test, and a made-up agent.
//!
//! In: nothing but OpenSSH's programs. Out: a running sshd with keys of its own. Invariant: it touches no file outside its
//! directory and ends with the value.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ktap_transport::{Agent, Link, LinkError, LinkSpec, OpenOptions, SshMethod, SshSpec, open};

/// Runs the client's command where nothing but a small tmpfs can be written, then lists what is left there of it (`mount` leaves a directory).
const CONFINE: &str = r#"
exec 9>"$1/left"
mkdir -p "$1/small" && mount -t tmpfs -o "$2" tmpfs "$1/small" || exit 99
for dir in /dev/shm /run /var/tmp "$HOME" /tmp; do mount --bind "$1/small" "$dir" || exit 98; done
cd "$HOME"
sh -c "$SSH_ORIGINAL_COMMAND"
ls -A "$HOME" | grep ktap >&9
echo listed >&9
"#;

/// A private directory, removed at the end.
pub struct Dir(pub PathBuf);

impl Dir {
    /// Makes one; its name is unique on this machine.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ktap-transport-test-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    /// Returns the path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running sshd.
pub struct Sshd {
    pub dir: Dir,
    pub port: u16,
    /// The checksum that its agent says of itself: another one in each test, for a kept agent is found by it.
    pub crc: u32,
    server: Child,
}

/// The user who runs the tests.
pub fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id");
    String::from_utf8(output.stdout).expect("a user name").trim().to_owned()
}

/// Makes a key pair.
pub fn keygen(file: &Path, kind: &str, passphrase: &str) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"])
        .arg(file)
        .status()
        .expect("ssh-keygen is needed for this test: install openssh-client");
    assert!(status.success());
}

impl Sshd {
    /// Starts a server whose sessions run the command as it is.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts a server with more lines of configuration, in which `{dir}` is its directory.
    pub fn start_with(config: &str) -> Self {
        let dir = Dir::new();
        keygen(&dir.file("host_key"), "ed25519", "");
        keygen(&dir.file("ecdsa_key"), "ecdsa", "");
        keygen(&dir.file("user_key"), "ed25519", "");
        fs::copy(dir.file("user_key.pub"), dir.file("authorized_keys")).expect("authorized_keys");
        fs::write(dir.file("confine.sh"), CONFINE).expect("confine.sh");
        assert!(
            Path::new("/usr/sbin/sshd").exists(),
            "sshd is needed for this test: install openssh-server"
        );
        // Root's sshd wants this directory, which Debian's service makes.
        let _ = fs::create_dir_all("/run/sshd");
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0")
                .and_then(|socket| socket.local_addr())
                .expect("a port")
                .port();
            let path = dir.0.display().to_string();
            let config = config.replace("{dir}", &path);
            let password = if config.contains("password") { "yes" } else { "no" };
            let text = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {path}/host_key\nAuthorizedKeysFile {path}/authorized_keys\n\
                 PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication {password}\n\
                 KbdInteractiveAuthentication no\n{config}\n"
            );
            fs::write(dir.file("config"), text).expect("config");
            let mut server = Command::new("/usr/sbin/sshd")
                .args(["-D", "-e", "-f"])
                .arg(dir.file("config"))
                .stderr(Stdio::piped())
                .spawn()
                .expect("sshd");
            let mut lines = BufReader::new(server.stderr.take().expect("stderr")).lines();
            let listening = lines
                .by_ref()
                .map_while(Result::ok)
                .any(|line| line.contains("Server listening"));
            if listening {
                // sshd must not find its log closed.
                std::thread::spawn(move || lines.count());
                let known = fs::read_to_string(dir.file("host_key.pub")).expect("the host key");
                fs::write(dir.file("known_hosts"), format!("[127.0.0.1]:{port} {known}")).expect("known_hosts");
                let crc = std::process::id() << 16 | u32::from(port);
                return Self { dir, port, crc, server };
            }
            let _ = server.wait();
        }
        panic!("sshd does not start");
    }

    /// Starts a server on which all directories an agent could go to are one tmpfs with these mount options.
    pub fn start_confined(mount_options: &str) -> Self {
        Self::start_with(&format!(
            "ForceCommand unshare $(test $(id -u) = 0 && echo -m || echo -rm) sh {{dir}}/confine.sh {{dir}} {mount_options}"
        ))
    }

    /// Puts a program into the server's `bin`.
    pub fn program(&self, name: &str, text: &str) {
        let file = self.dir.file("bin").join(name);
        fs::create_dir_all(self.dir.file("bin")).expect("a directory");
        let _ = fs::remove_file(&file);
        fs::write(&file, text).expect("a program");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// Returns how to reach it.
    pub fn spec(&self, method: SshMethod) -> SshSpec {
        SshSpec {
            host: "127.0.0.1".to_owned(),
            port: Some(self.port),
            user: Some(user()),
            method,
            key: Some(self.dir.file("user_key")),
            known_hosts: Some(self.dir.file("known_hosts")),
            options: ["BatchMode=yes", "GlobalKnownHostsFile=/dev/null"]
                .map(str::to_owned)
                .to_vec(),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A shell script that serves as an agent: says a version, then gives back each byte.
pub fn fake_agent(crc: u32) -> Vec<u8> {
    let mut text = format!(
        "#!/bin/sh\nif [ \"$1\" = version ]; then echo ktap-agent 0.1.0 {crc:08x}; exit; fi\n\
         echo \"up: $0 $*\" >&2\nif [ \"$1\" = --unlink ]; then rm -f \"$0\"; fi\nexec cat\n"
    );
    // As long as a real one; all of it must arrive, for the last line is checked by the shell's own reading.
    while text.len() < 120_000 {
        text += "# 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\n";
    }
    text.into_bytes()
}

impl Sshd {
    /// Opens a link with the made-up agent.
    pub fn open(&self, spec: &SshSpec) -> Result<Box<dyn Link>, LinkError> {
        self.open_with(spec, &fake_agent(self.crc), |_| {})
    }

    /// Opens a link with an agent for this machine and other options.
    pub fn open_with(
        &self,
        spec: &SshSpec,
        agent: &[u8],
        change: impl FnOnce(&mut OpenOptions<'_>),
    ) -> Result<Box<dyn Link>, LinkError> {
        self.open_asking(spec, agent, &mut |_| None, change)
    }

    /// Opens a link as [`Sshd::open_with`] does, for a user who answers.
    pub fn open_asking(
        &self,
        spec: &SshSpec,
        agent: &[u8],
        password: &mut dyn FnMut(&str) -> Option<String>,
        change: impl FnOnce(&mut OpenOptions<'_>),
    ) -> Result<Box<dyn Link>, LinkError> {
        let agents = [Agent {
            arch: std::env::consts::ARCH,
            version: "0.1.0".to_owned(),
            crc32: self.crc,
            bytes: agent,
        }];
        let mut options = OpenOptions {
            agents: &agents,
            keep_agent: false,
            password,
            trust_new_host: false,
        };
        change(&mut options);
        open(&LinkSpec::Ssh(spec.clone()), options)
    }
}

/// Sends a megabyte through the link and expects it back.
pub fn round_trip(link: &mut dyn Link) {
    let sent: Vec<u8> = (0..1_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    link.write(&sent).expect("write");
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let count = link.read(&mut received, Duration::from_secs(20)).expect("read");
        assert!(count > 0, "no bytes after {} came back", received.len());
    }
    assert!(received == sent, "other bytes came back");
}

/// Waits for text outside the stream that contains `part`.
pub fn expect_talk(link: &mut dyn Link, part: &str) -> String {
    let mut talk = Vec::new();
    for _ in 0..500 {
        link.read(&mut Vec::new(), Duration::from_millis(10)).expect("read");
        talk.extend(link.talk());
        if String::from_utf8_lossy(&talk).contains(part) {
            return String::from_utf8_lossy(&talk).into_owned();
        }
    }
    panic!("'{part}' was not said, but: {}", String::from_utf8_lossy(&talk));
}
