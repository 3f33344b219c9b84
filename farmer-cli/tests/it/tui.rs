//! The terminal UI on a real terminal, that of tmux.

use crate::support::{Directory, Home};
use crate::terminal::Terminal;

#[test]
fn it_runs_survives_a_lost_directory_and_gives_the_terminal_back() {
    let home = Home::new();
    let mut directory = Directory::start(&home);
    home.farmer(&["farm", "create", "mine", "--country", "BE"])
        .at(&directory)
        .run();
    let terminal = Terminal::start(&home, "tmux");
    let command = format!(
        "clear; stty -a >before; XDG_CONFIG_HOME={} {} tui --farm 1 --interval 1 --directory {} \
         --pin {}; echo ended with $?; stty -a >after; cmp before after && echo as before",
        home.path().join("config").display(),
        env!("CARGO_BIN_EXE_farmer"),
        directory.url,
        directory.pin,
    );
    let run = |command: &str| {
        terminal.send(&[&format!("cd {}", home.path().display()), "Enter"]);
        terminal.send(&[command, "Enter"]);
    };
    run(&command);
    terminal.shows("farm 1 mine   0 nodes");
    terminal.shows("live");
    directory.stop();
    terminal.shows("cannot connect to");
    terminal.shows("farm 1 mine");
    directory.start_again(&home);
    terminal.shows("live");
    terminal.send(&["?"]);
    terminal.shows("this help");
    terminal.send(&["Escape"]);
    terminal.shows("no node has registered");
    terminal.send(&["C-z"]);
    terminal.shows("topped");
    terminal.send(&["fg", "Enter"]);
    terminal.shows("no node has registered");
    terminal.send(&["q"]);
    terminal.shows("as before");

    // Asked to stop from outside, it gives the terminal back as well. `timeout` sends SIGTERM.
    let farmer = env!("CARGO_BIN_EXE_farmer");
    run(&command.replace(farmer, &format!("timeout --foreground 3 {farmer}")));
    terminal.shows("no node has registered");
    terminal.shows("ended with 124");
    terminal.shows("as before");
}
