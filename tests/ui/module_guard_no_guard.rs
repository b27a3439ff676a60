use nestrs::prelude::*;

#[derive(Default)]
struct NoGuard;

#[module(guards = [NoGuard])]
struct AppModule;

#[module(guards = [NoGuard::default()])]
struct OtherModule;

fn main() {}
