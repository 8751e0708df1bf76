//! The generated files as (path from the root of the package, content).

use super::{findings, sections};
use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

/// Every generated file.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let mut files = vec![("man/mdbitmap.8".to_owned(), main_page())];
    for verb in mdbitmap::cli::VERBS {
        let command = (verb.command)();
        files.push((
            format!("man/mdbitmap-{}.8", command.get_name()),
            verb_page(command),
        ));
    }
    for (shell, name) in [
        (Shell::Bash, "mdbitmap.bash"),
        (Shell::Zsh, "_mdbitmap"),
        (Shell::Fish, "mdbitmap.fish"),
    ] {
        let mut content = Vec::new();
        generate(
            shell,
            &mut mdbitmap::cli::command(),
            "mdbitmap",
            &mut content,
        );
        files.push((format!("completions/{name}"), content));
    }
    files.push(("docs/findings.md".to_owned(), findings::page().into_bytes()));
    files
}

fn man(command: Command, title: &str) -> Man {
    Man::new(command)
        .title(title.to_uppercase())
        .section("8")
        .source(concat!("mdbitmap ", env!("CARGO_PKG_VERSION")))
        .manual("System administration")
        .date("")
}

fn main_page() -> Vec<u8> {
    let command = mdbitmap::cli::command().after_help("").help_template("");
    let page = man(command, "mdbitmap");
    let mut out = Vec::new();
    page.render_title(&mut out).unwrap();
    page.render_name_section(&mut out).unwrap();
    page.render_synopsis_section(&mut out).unwrap();
    page.render_description_section(&mut out).unwrap();
    out.extend(verbs_section());
    page.render_options_section(&mut out).unwrap();
    for section in sections::MAIN {
        out.extend(section.as_bytes());
    }
    out
}

/// The verbs under the headings that `--help` has.
fn verbs_section() -> Vec<u8> {
    let mut text = String::from(".SH VERBS\n");
    let mut last = None;
    for verb in mdbitmap::cli::VERBS {
        if last != Some(verb.group) {
            text.push_str(&format!(".SS \"{}\"\n", verb.group.title()));
            last = Some(verb.group);
        }
        let command = (verb.command)();
        let about = command.get_about().unwrap().to_string();
        text.push_str(&format!(
            ".TP\n\\fBmdbitmap\\-{}\\fR(8)\n{}\n",
            command.get_name(),
            roff(&about)
        ));
    }
    text.into_bytes()
}

fn verb_page(command: Command) -> Vec<u8> {
    let name = command.get_name().to_owned();
    let full = format!("mdbitmap-{name}");
    // The synopsis says "mdbitmap examine", the title "mdbitmap-examine".
    let command = command
        .bin_name(format!("mdbitmap {name}"))
        .display_name(full.clone())
        .disable_version_flag(true);
    let page = man(command, &full);
    let mut out = Vec::new();
    page.render_title(&mut out).unwrap();
    page.render_name_section(&mut out).unwrap();
    page.render_synopsis_section(&mut out).unwrap();
    page.render_description_section(&mut out).unwrap();
    page.render_options_section(&mut out).unwrap();
    if name == "check" {
        out.extend(findings::section().into_bytes());
    }
    for section in sections::of_verb(&name) {
        out.extend(section.as_bytes());
    }
    out
}

/// Text with roff's special characters escaped.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
