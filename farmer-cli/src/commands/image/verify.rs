//! `farmer image verify`

use hw_probe::text::Untrusted;
use hw_probe::units::Bytes;
use image_builder::verify::{self, Report, Severity};
use serde::Serialize;

use crate::args::ImageVerifyArgs;
use crate::blocking;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::failure::{Doing as _, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;
use crate::progress::Progress;

/// What was found, as told.
#[derive(Serialize)]
struct Verified {
    image: String,
    /// `true` when something was looked at and nothing is damaged.
    sound: bool,
    /// Whether there was nothing that could be looked at.
    unknown: bool,
    #[serde(flatten)]
    report: ReportFields,
}

/// The library's report; `sound` of the JSON form is the verdict, `checked` what it rests on.
#[derive(Serialize)]
struct ReportFields {
    size_bytes: u64,
    is_ours: bool,
    verified_bytes: u64,
    checked: Vec<String>,
    findings: Vec<verify::Finding>,
}

impl From<Report> for ReportFields {
    fn from(report: Report) -> Self {
        Self {
            size_bytes: report.size_bytes,
            is_ours: report.is_ours,
            verified_bytes: report.verified_bytes,
            checked: report.sound,
            findings: report.findings,
        }
    }
}

impl Show for Verified {
    fn show(&self, page: &mut Page) {
        let report = &self.report;
        let verdict = match (self.sound, self.unknown) {
            (true, _) => "sound",
            (false, true) => "UNKNOWN: this is no image that can be verified",
            (false, false) => "DAMAGED",
        };
        page.field("image", &self.image)
            .field("verdict", verdict)
            .field("size", Bytes(report.size_bytes))
            .field("by digest", Bytes(report.verified_bytes));
        if !report.is_ours && !report.checked.is_empty() {
            page.line("")
                .line("not one of our images: structures were checked, there are no digests");
        }
        let rows: Vec<Vec<String>> = report
            .findings
            .iter()
            .map(|finding| {
                let severity = match finding.severity {
                    Severity::Damage => "damage",
                    Severity::Note => "note",
                };
                vec![
                    severity.to_owned(),
                    finding.offset.to_string(),
                    Untrusted::from(finding.place.as_str()).to_string(),
                    Untrusted::from(finding.what.as_str()).to_string(),
                ]
            })
            .collect();
        if !rows.is_empty() {
            page.line("").table(
                &[
                    ("FOUND", Align::Left),
                    ("BYTE", Align::Right),
                    ("PLACE", Align::Left),
                    ("WHAT", Align::Left),
                ],
                &rows,
            );
        }
        let mut advice: Vec<&str> = Vec::new();
        for finding in &report.findings {
            if let Some(text) = finding
                .advice
                .as_deref()
                .filter(|text| !advice.contains(text))
            {
                advice.push(text);
                page.line(format!(
                    "{}: {text}",
                    Untrusted::from(finding.place.as_str())
                ));
            }
        }
        if !report.checked.is_empty() {
            page.line("").line("sound:");
        }
        for name in &report.checked {
            page.line(format!("  {}", Untrusted::from(name.as_str())));
        }
    }
}

/// `farmer image verify`
pub fn verify(context: &Context<'_>, args: ImageVerifyArgs) -> Outcome<ExitStatus> {
    let path = args.image;
    let report = blocking::run(|cancel| {
        let mut file = super::open_image(context, &path)?;
        let mut progress = Progress::new(context.printer);
        progress.stage("verifying");
        let report = verify::verify(&mut file, &mut |done, total| {
            cancel.check();
            progress.bytes(done, total);
        })
        .doing(format!("looking into {}", path.display()))?;
        progress.finish();
        Ok(report)
    })?;
    let unknown = report.is_empty();
    let sound = !report.is_damaged() && !unknown;
    context.printer.data(&Verified {
        image: path.display().to_string(),
        sound,
        unknown,
        report: report.into(),
    })?;
    Ok(match (sound, unknown) {
        (true, _) => ExitStatus::Ok,
        (false, true) => ExitStatus::Failed,
        (false, false) => ExitStatus::Mismatch,
    })
}
