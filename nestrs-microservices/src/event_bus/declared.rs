//! Subscribers that are methods: from the routes of a booted application.

use std::sync::Arc;

use nestrs_core::{Application, ContextKind, ExecutionContext, HandlerKind, Route};

use super::bus::EventBus;
use super::event::exhaust;
use super::options::EventBusOptions;
use super::subscriber::{Call, Subscriber};
use super::topic::Topic;

impl EventBus {
    /// Brings the subscribers and the options of a booted application. A second call changes nothing.
    pub fn attach(&self, application: &Application) {
        let options = application.root.get::<EventBusOptions>();
        if !self.hub.set_attached(options.map(|options| (*options).clone())) {
            return;
        }
        let routes: Vec<_> = application.routes.iter().filter(|route| route.kind == HandlerKind::Bus).collect();
        let mut registry = self.hub.registry_mut();
        // A method with several patterns is one subscriber: one queue, and one call an event, whatever overlaps.
        for patterns in routes.chunk_by(|one, next| Arc::ptr_eq(&one.endpoint, &next.endpoint)) {
            let topics = patterns.iter().map(|route| Topic::new(route.pattern.route())).collect();
            registry.add(topics, Arc::new(Subscriber::handler(patterns[0].handler.into(), call(patterns[0]))), false);
        }
    }
}

fn call(route: &Route) -> Call {
    let route = route.clone();
    Box::new(move |event| {
        let route = route.clone();
        Box::pin(async move {
            let cx = ExecutionContext::new(ContextKind::EventBus, event.name, event.payload).with_route(&route);
            exhaust(route.endpoint.call(&cx, cx.payload()).await).await
        })
    })
}
