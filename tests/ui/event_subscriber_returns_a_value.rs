use nestrs::prelude::*;

fn main() {
    let bus = EventBus::new();
    bus.subscribe("order.created", |_event| async { 7 }).keep();
}
