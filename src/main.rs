//! Parse, run, exit status; nothing else.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(mdbitmap::cli::run(std::env::args_os()))
}
