//! The frame decoder, whole, in pieces and byte by byte, against a reference that is slow and obvious.

#![no_main]

#[path = "../../nestrs-microservices/tests/properties/frames.rs"]
mod frames;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [limit, cut, other_cut, stream @ ..] = input else { return };
    // Small limits, so that small inputs reach them.
    let max_frame_bytes = [8, 64, 1024, 64 * 1024][usize::from(limit & 3)];
    let cuts = [cut & 15, other_cut & 15];
    if limit & 4 == 0 {
        frames::check(stream, max_frame_bytes, &cuts);
    } else {
        let bodies = stream.split(|byte| *byte == b'\n');
        frames::check(&frames::framed(bodies), max_frame_bytes, &cuts);
    }
});
