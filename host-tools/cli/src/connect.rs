//! From a board to a session on it.
//!
//! In: [`Board`], the link asked for. Out: [`Client`]. Invariant: a QEMU board that is not running is started first.

use std::time::Duration;

use ktap_transport::qemu::{self, Qemu, QemuSpec};
use ktap_transport::{LinkSpec, OpenOptions, SshMethod, SshSpec};

use crate::agents;
use crate::args::{LinkKind, TargetArgs};
use crate::board::{Board, LinkName, SshMethodName, cache_directory};
use crate::client::Client;
use crate::failure::Failure;
use crate::ui::Ui;

/// Opens a session on the board the command line names.
///
/// # Errors
/// No such board, no such link, no way to it, no agent on it.
pub fn open(target: &TargetArgs, ui: Ui) -> Result<(Board, Client), Failure> {
    let board = Board::load(&target.board)?;
    let link = board.choose(target.link)?;
    let running = match &board.qemu {
        Some(_) if link != LinkName::Local => Some(start(&board, ui)?),
        _ => None,
    };
    let spec = link_spec(&board, link, target.link, running.as_ref())?;
    let carried = agents::carried();
    let mut password = |prompt: &str| rpassword::prompt_password(prompt).ok();
    let options = OpenOptions {
        agents: &carried,
        keep_agent: target.keep_agent,
        password: &mut password,
        trust_new_host: target.trust_host,
    };
    let client = Client::connect(ktap_transport::open(&spec, options)?, ui)?;
    let hello = &client.board;
    ui.verbose(format!(
        "{}: {} {} {}, {} CPUs, agent {}, over {}",
        board.name,
        hello.node,
        hello.release,
        hello.machine,
        hello.cpus,
        hello.agent,
        client.describe()
    ));
    if hello.machine != *board.arch.get_ref() {
        return Err(Failure::Mismatch(format!(
            "board `{}` is said to be {} in {}, but the kernel there says {}",
            board.name,
            board.arch.get_ref(),
            board.file.display(),
            hello.machine
        )));
    }
    Ok((board, client))
}

/// Returns how QEMU runs a board.
///
/// # Errors
/// The board is no QEMU board.
pub fn qemu_spec(board: &Board) -> Result<QemuSpec, Failure> {
    let Some(settings) = &board.qemu else {
        let help = "`ktap-host board list` says which boards run in QEMU".to_owned();
        return Err(Failure::Usage(
            format!("board `{}` is no QEMU board", board.name),
            Some(help),
        ));
    };
    Ok(QemuSpec {
        name: board.name.clone(),
        arch: board.arch.get_ref().clone(),
        cpu: settings.cpu.clone(),
        kernel: settings.kernel.get_ref().clone(),
        initramfs: settings.initramfs.get_ref().clone(),
        append: settings.append.clone(),
        memory_mb: settings.memory,
        cpus: settings.cpus,
        ssh_port: board.ssh.as_ref().and_then(|s| s.port).unwrap_or(22),
        state_dir: cache_directory().join("run").join(&board.name),
    })
}

/// Starts a QEMU board unless it runs.
///
/// # Errors
/// It cannot be started.
pub fn start(board: &Board, ui: Ui) -> Result<Qemu, Failure> {
    let spec = qemu_spec(board)?;
    if let Some(running) = qemu::status(&spec.state_dir) {
        return Ok(running);
    }
    ui.say(format!("starting board {} in QEMU", board.name));
    qemu::up(&spec).map_err(|e| Failure::Qemu(e.to_string()))
}

fn link_spec(
    board: &Board,
    link: LinkName,
    asked: Option<LinkKind>,
    running: Option<&Qemu>,
) -> Result<LinkSpec, Failure> {
    match (link, &board.ssh, &board.serial) {
        (LinkName::Ssh, Some(ssh), _) => {
            let method = match (asked, ssh.method) {
                (Some(LinkKind::Ssh2), _) => SshMethod::Ssh2,
                (Some(LinkKind::SshChild), _) => SshMethod::Child,
                (_, SshMethodName::Ssh2) => SshMethod::Ssh2,
                (_, SshMethodName::Child) => SshMethod::Child,
            };
            Ok(LinkSpec::Ssh(SshSpec {
                host: ssh.host.clone(),
                port: ssh.port,
                user: ssh.user.clone(),
                method,
                key: ssh.key.as_ref().map(|p| p.get_ref().clone()),
                known_hosts: ssh.known_hosts.as_ref().map(|p| p.get_ref().clone()),
                options: ssh.options.clone(),
                connect_timeout: Duration::from_secs(ssh.connect_timeout.unwrap_or(10)),
            }))
        }
        (LinkName::Serial, _, Some(serial)) => {
            let path = match running {
                Some(qemu) if serial.path.as_os_str() == "qemu" => qemu.serial.clone(),
                _ => serial.path.clone(),
            };
            Ok(LinkSpec::Serial {
                path,
                baud: serial.baud,
            })
        }
        _ => Ok(LinkSpec::Local {
            agent: std::env::var_os("KTAP_AGENT").map(Into::into),
        }),
    }
}
