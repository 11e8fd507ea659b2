//! What a browser must answer: `native MODEL [RUNS]` predicts on made-up inputs with one thread, and prints the bits of all
//! outputs as the browser's test makes them, and the milliseconds of a prediction.

use hadal::elements;
use hadal_wasm::session::{Header, Session, TYPES};
use std::time::Instant;

/// The inputs that the test makes in JavaScript too: numbers between 0 and 1, any size as 1.
fn input(dtype: &str, shape: &[usize]) -> Vec<u8> {
    let element = TYPES.iter().find(|entry| entry.0 == dtype).expect("a known type").1;
    let count = shape.iter().product::<usize>();
    let numbers = (0..count).map(|i| ((i * 7919) % 1013) as f64 / 1013.0);
    match dtype {
        "float32" => numbers.flat_map(|x| (x as f32).to_ne_bytes()).collect(),
        "uint8" => numbers.map(|x| (x * 255.0) as u8).collect(),
        _ => vec![0; count * elements::size_of(element).expect("a type of the border")],
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    hadal::set_threads(1);
    let arguments: Vec<String> = std::env::args().collect();
    let runs: u32 = arguments.get(2).map_or(Ok(20), |runs| runs.parse())?;
    let session = Session::load(std::fs::read(&arguments[1])?, false)?;
    let described: serde_json::Value = serde_json::from_str(&session.description())?;
    let (mut headers, mut all) = (Vec::new(), Vec::new());
    for port in described["inputs"].as_array().into_iter().flatten() {
        let dtype = port["dtype"].as_str().unwrap_or_default().to_owned();
        let sizes = port["shape"].as_array().into_iter().flatten();
        let shape: Vec<usize> = sizes.map(|size| size.as_u64().unwrap_or(1) as usize).collect();
        let bytes = input(&dtype, &shape);
        headers.push(Header { dtype, shape, bytes: bytes.len() });
        all.extend(bytes);
    }
    let header = serde_json::to_vec(&headers)?;
    let (_, outputs) = session.run(&header, &all)?;
    let begin = Instant::now();
    for _ in 0..runs {
        session.run(&header, &all)?;
    }
    let milliseconds = begin.elapsed().as_secs_f64() * 1e3 / f64::from(runs);
    let bits: String = outputs.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{}", serde_json::json!({ "bits": bits, "milliseconds": milliseconds }));
    Ok(())
}
