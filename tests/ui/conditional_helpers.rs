use nestrs::prelude::*;

#[derive(Default)]
struct NoGuard;

impl CanActivate for NoGuard {
    async fn can_activate(&self, _: &ExecutionContext) -> Result<(), TransportError> {
        Ok(())
    }
}

#[derive(Default)]
struct Timing;

impl Interceptor for Timing {}

#[injectable]
struct Messages {
    #[cfg_attr(all(), inject("NAME"))]
    name: String,
}

#[micro_routes]
impl Messages {
    #[cfg_attr(all(), message_pattern("message"))]
    async fn message(&self) {}

    #[cfg_attr(unix, event_pattern("event"))]
    #[cfg_attr(not(unix), event_pattern("another"))]
    async fn event(&self) {}

    #[message_pattern("guarded")]
    #[cfg_attr(all(), use_guards(NoGuard))]
    async fn guarded(&self) {}

    #[message_pattern("stages")]
    #[cfg_attr(all(), use_micro_guards(NoGuard), use_interceptors(Timing), use_micro_interceptors(Timing))]
    #[cfg_attr(all(), cfg_attr(all(), use_pipes(Any), nestrs::use_micro_pipes(Any)), use_filters(Any))]
    #[cfg_attr(true, set_metadata("roles", ["admin", "owner"]))]
    async fn stages(&self) {}

    #[message_pattern("limits")]
    #[cfg_attr(all(), handler_timeout("5s"))]
    #[cfg_attr(any(), run_to_completion)]
    async fn limits(&self) {}

    #[message_pattern("hangs.up")]
    #[cfg_attr(all(), cancel_on_disconnect)]
    async fn hangs_up(&self) {}

    #[message_pattern("arguments")]
    async fn arguments(
        &self,
        #[cfg_attr(all(), payload)] _payload: u32,
        #[cfg_attr(all(), ctx)] _cx: ExecutionContext,
        #[cfg_attr(all(), header("x-version"), pipe(ParseIntPipe))] _version: u32,
        #[cfg_attr(all(), inject)] _messages: std::sync::Arc<Messages>,
    ) {
    }

    #[cfg_attr(all(), use_guards(NoGuard))]
    fn helper(&self) {}
}

#[injectable]
struct Subscribers;

#[event_routes]
impl Subscribers {
    #[cfg_attr(all(), on_event("order.created"))]
    async fn created(&self) {}

    #[on_event("order.closed")]
    #[cfg_attr(all(), use_guards(NoGuard))]
    async fn closed(&self) {}
}

#[injectable]
struct Pages;

#[controller("/pages")]
impl Pages {
    #[cfg_attr(all(), get("/get"), post("/post"), put, patch, delete, head, options)]
    async fn verbs(&self) {}

    #[get("/guarded")]
    #[cfg_attr(all(), use_guards(NoGuard))]
    async fn guarded(&self) {}

    #[get("/limits")]
    #[cfg_attr(all(), handler_timeout("5s"))]
    async fn limits(&self) {}
}

#[injectable]
struct Both;

#[micro_routes]
#[controller("/both")]
impl Both {
    #[message_pattern("both")]
    #[get("/")]
    #[cfg_attr(all(), use_guards(NoGuard))]
    async fn both(&self) {}
}

#[contract]
trait Orders {
    #[cfg_attr(all(), message_pattern("orders.find"))]
    async fn find(&self, id: u32) -> u32;

    #[message_pattern("orders.close")]
    #[cfg_attr(all(), use_guards(NoGuard))]
    async fn close(&self, #[cfg_attr(all(), payload)] id: u32);
}

fn main() {}
