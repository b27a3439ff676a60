//! The client side: what one call costs its caller, against this load program, which does as little as can be done.

use std::process::Command;

use crate::drive::{Load, drive};
use crate::rounds::{Pace, Spread};
use crate::server::{YARDSTICK, beside};
use crate::settings::Settings;
use crate::table::Table;
use crate::work::Work;

const DEPTHS: [u32; 3] = [1, 16, 256];

pub(crate) fn measure(settings: &Settings) -> Result<Vec<Table>, String> {
    let server = YARDSTICK.start()?;
    let Pace { rounds, warm_up, length } = settings.pace;
    let mut columns = vec![String::new()];
    let (mut ours, mut least, mut ratio) =
        (vec!["nestrs's `ClientProxy`".to_owned()], vec!["raw frames".to_owned()], vec!["ratio".to_owned()]);
    for depth in DEPTHS {
        let (mut of_proxy, mut of_frames) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let words = [server.address.to_string(), depth.to_string(), length.as_secs_f64().to_string()];
            of_proxy.push(proxy(&words)?);
            let load = Load { connections: 1, in_flight: depth, work: Work::Sum };
            let raw = drive(server.address, server.proc(), YARDSTICK.manner, &load, warm_up, length)?;
            of_frames.push(raw.client_cpu.as_nanos() as f64 / raw.units as f64);
            eprintln!(
                "client x{depth}: {:.0} ns a call, raw frames {:.0}",
                of_proxy[of_proxy.len() - 1],
                of_frames[of_frames.len() - 1]
            );
        }
        columns.push(format!("sum x{depth}"));
        ratio.push(format!("{:.1}", Spread::of(of_proxy.iter().zip(&of_frames).map(|(ours, raw)| ours / raw))));
        ours.push(format!("{:.0}", Spread::of(of_proxy)));
        least.push(format!("{:.0}", Spread::of(of_frames)));
    }
    let title = "Nanoseconds of the client's CPU for one call of the yardstick: median (least-most)".to_owned();
    Ok(vec![Table { title, columns, rows: vec![ours, least, ratio] }])
}

/// Nanoseconds a call.
fn proxy(words: &[String; 3]) -> Result<f64, String> {
    let output = Command::new(beside("caller")?).args(words).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<_> = text.split_whitespace().collect();
    match (&words[..], output.status.success()) {
        (["calls", calls, "nanos", nanos], true) => {
            let (calls, nanos) = (calls.parse::<f64>(), nanos.parse::<f64>());
            calls.and_then(|calls| Ok(nanos? / calls)).map_err(|error| error.to_string())
        }
        _ => Err(format!("the client failed: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
