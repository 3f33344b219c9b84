//! `farmer config show`

use serde::Serialize;

use super::Context;
use crate::args::ConnectionArgs;
use crate::exit::ExitStatus;
use crate::failure::Outcome;
use crate::page::{Align, Page};
use crate::printer::Show;
use crate::settings::Setting;

#[derive(Serialize)]
#[serde(transparent)]
struct InForce(Vec<Setting>);

impl Show for InForce {
    fn show(&self, page: &mut Page) {
        let rows: Vec<Vec<String>> = self
            .0
            .iter()
            .map(|setting| {
                let value = setting.value.clone().unwrap_or_else(|| "-".to_owned());
                vec![setting.key.clone(), value, setting.origin.clone()]
            })
            .collect();
        let columns = [
            ("SETTING", Align::Left),
            ("VALUE", Align::Left),
            ("FROM", Align::Left),
        ];
        page.table(&columns, &rows);
    }
}

/// Shows every setting with its origin.
pub fn show(context: &Context<'_>, flags: &ConnectionArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(flags)?;
    context.printer.data(&InForce(settings.listed().to_vec()))?;
    Ok(ExitStatus::Ok)
}
