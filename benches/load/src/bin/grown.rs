//! Servers that differ in one number only, for the curves of how cost grows: `grown routes N` has so many routes, and
//! `grown stages N` so many guards, interceptors and pipes around each call.

use std::io::Read as _;

use nestrs::Module;
use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;

/// Tables of so many routes, `sum.00000` and so on: what `#[micro_routes]` would make of as many methods, which nobody
/// wants to compile.
mod routed {
    use std::sync::Arc;

    use nestrs::__private as __nest;
    use nestrs::__private::{HandlerDef, HandlerSet, PatternLiteral, ValueReply as _};
    use nestrs::prelude::*;

    const ROUTES_MAX: usize = 10_000;
    const NAME_LEN: usize = 9;

    static NAMES: [[u8; NAME_LEN]; ROUTES_MAX] = {
        let mut names = [*b"sum.00000"; ROUTES_MAX];
        let mut at = 0;
        while at < ROUTES_MAX {
            let (mut rest, mut digit) = (at, NAME_LEN);
            while rest > 0 {
                digit -= 1;
                names[at][digit] = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            at += 1;
        }
        names
    };

    static PATTERNS: [[PatternLiteral; 1]; ROUTES_MAX] = {
        let mut patterns = [const { [PatternLiteral::Text("")] }; ROUTES_MAX];
        let mut at = 0;
        while at < ROUTES_MAX {
            let Ok(name) = std::str::from_utf8(&NAMES[at]) else { panic!("names are ASCII") };
            patterns[at] = [PatternLiteral::Text(name)];
            at += 1;
        }
        patterns
    };

    #[injectable]
    pub(super) struct Routed<const ROUTES: usize>;

    struct Table<const ROUTES: usize>;

    impl<const ROUTES: usize> Table<ROUTES> {
        const ROWS: [HandlerDef; ROUTES] = {
            let mut rows = [Self::row(0); ROUTES];
            let mut at = 0;
            while at < ROUTES {
                rows[at] = Self::row(at);
                at += 1;
            }
            rows
        };

        const fn row(at: usize) -> HandlerDef {
            HandlerDef::message(&PATTERNS[at], "Routed::sum", |mounting| {
                __nest::mount(mounting, (), (), (), (), sum::<ROUTES>)
            })
        }
    }

    impl<const ROUTES: usize> __nest::MicroRoutes for Table<ROUTES> {
        type Service = Routed<ROUTES>;
        const HANDLERS: &'static [HandlerDef] = &Self::ROWS;
    }

    #[expect(
        clippy::needless_borrow,
        reason = "how many there are chooses how the value is answered, as in an expansion"
    )]
    fn sum<'a, const ROUTES: usize>(
        _service: &'a Arc<Routed<ROUTES>>,
        _cx: &'a ExecutionContext,
        payload: &'a Payload,
    ) -> __nest::BoxFuture<'a, HandlerResult> {
        Box::pin(async move {
            let numbers = __nest::decode::<Vec<i64>>(payload)?;
            let sum: i64 = numbers.iter().sum();
            (&&&&__nest::ReplyOf(&sum)).kind().reply(sum)
        })
    }

    /// A module with the first so many routes.
    pub(super) struct RoutedModule<const ROUTES: usize>;

    impl<const ROUTES: usize> nestrs::Module for RoutedModule<ROUTES> {
        fn define() -> __nest::ModuleDef {
            let module = __nest::ModuleDef::new::<Self>();
            module.provide(Provider::class::<Routed<ROUTES>>()).microservice::<Routed<ROUTES>>()
        }
    }

    macro_rules! tables {
        ($($routes:literal),*) => { $(
            const _: () = {
                #[__nest::linkme::distributed_slice(__nest::HANDLERS)]
                #[linkme(crate = __nest::linkme)]
                static SET: HandlerSet = HandlerSet::of::<Table<$routes>>();
            };
        )* };
    }
    tables!(1, 10, 100, 1_000, 10_000);
}

/// Stages that do nothing. A number makes each a type of its own, as those of a real service are.
mod stages {
    use nestrs::prelude::*;

    #[derive(Default)]
    pub(super) struct Open<const N: usize>;

    impl<const N: usize> CanActivate for Open<N> {
        async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
            std::hint::black_box(cx);
            Ok(())
        }
    }

    #[derive(Default)]
    pub(super) struct Around<const N: usize>;

    impl<const N: usize> Interceptor for Around<N> {
        async fn intercept<T: Send>(
            &self,
            cx: &ExecutionContext,
            next: impl Future<Output = Result<T, TransportError>> + Send,
        ) -> Result<T, TransportError> {
            std::hint::black_box(cx);
            next.await
        }
    }

    #[derive(Default)]
    pub(super) struct Same<const N: usize>;

    impl<const N: usize> PipeTransform for Same<N> {
        async fn transform(&self, cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
            std::hint::black_box(cx);
            Ok(payload)
        }
    }
}

use stages::{Around, Open, Same};

macro_rules! staged {
    ($service:ident, $module:ident $(, $attribute:ident($($stage:tt)*))*) => {
        #[injectable]
        struct $service;

        #[micro_routes]
        $(#[$attribute($($stage)*)])*
        impl $service {
            #[message_pattern("math.sum")]
            async fn sum(&self, numbers: Vec<i64>) -> i64 {
                numbers.iter().sum()
            }
        }

        #[module(providers = [$service], microservices = [$service])]
        struct $module;
    };
}

staged!(Staged0, Module0);
staged!(Staged1, Module1, use_guards(Open<0>));
staged!(Staged2, Module2, use_guards(Open<0>), use_interceptors(Around<0>));
staged!(Staged3, Module3, use_guards(Open<0>), use_interceptors(Around<0>), use_pipes(Same<0>));
staged!(
    Staged6,
    Module6,
    use_guards(Open<0>, Open<1>),
    use_interceptors(Around<0>, Around<1>),
    use_pipes(Same<0>, Same<1>)
);
staged!(
    Staged10,
    Module10,
    use_guards(Open<0>, Open<1>, Open<2>, Open<3>),
    use_interceptors(Around<0>, Around<1>, Around<2>),
    use_pipes(Same<0>, Same<1>, Same<2>)
);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use routed::RoutedModule;

    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["routes", "1"] => serve::<RoutedModule<1>>().await,
        ["routes", "10"] => serve::<RoutedModule<10>>().await,
        ["routes", "100"] => serve::<RoutedModule<100>>().await,
        ["routes", "1000"] => serve::<RoutedModule<1_000>>().await,
        ["routes", "10000"] => serve::<RoutedModule<10_000>>().await,
        ["stages", "0"] => serve::<Module0>().await,
        ["stages", "1"] => serve::<Module1>().await,
        ["stages", "2"] => serve::<Module2>().await,
        ["stages", "3"] => serve::<Module3>().await,
        ["stages", "6"] => serve::<Module6>().await,
        ["stages", "10"] => serve::<Module10>().await,
        _ => Err(format!("there is no server for {args:?}").into()),
    }
}

#[expect(clippy::print_stdout, reason = "this is how the load program learns the address")]
async fn serve<M: Module>() -> Result<(), Box<dyn std::error::Error>> {
    let options = TcpMicroserviceOptions::bind("127.0.0.1:0");
    let app = NestFactory::create_microservice::<M>(options).start().await?;
    println!("listening {}", app.address("tcp").unwrap_or_default());
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    Ok(app.wait().await?)
}
