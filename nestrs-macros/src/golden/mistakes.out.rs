impl Math {
    async fn add(payload: Value) {}
}
::core::compile_error! {
    "a pattern cannot be empty"
}
::core::compile_error! {
    "`add` is called on the service: write `async fn add(&self, payload: Value)`"
}
impl Gateway {
    fn find(&self) {}
}
::core::compile_error! {
    "write `/math`: a path begins with a slash"
}
::core::compile_error! {
    "write `/{id}`: a path begins with a slash"
}
struct Broken {
    name: String,
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    #[automatically_derived]
    impl __nest::Injectable for Broken {
        fn dependencies() -> ::std::vec::Vec<__nest::Dependency> {
            ::std::vec::Vec::new()
        }
        fn construct(
            _: &__nest::Resolver<'_>,
        ) -> ::core::result::Result<Self, __nest::ResolveError> {
            loop {}
        }
    }
};
::core::compile_error! {
    "a name cannot be empty"
}
enum Either {
    One,
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    #[automatically_derived]
    impl __nest::Injectable for Either {
        fn dependencies() -> ::std::vec::Vec<__nest::Dependency> {
            ::std::vec::Vec::new()
        }
        fn construct(
            _: &__nest::Resolver<'_>,
        ) -> ::core::result::Result<Self, __nest::ResolveError> {
            loop {}
        }
    }
};
::core::compile_error! {
    "`#[injectable]` stands on a struct: the container could not know which variant of an enum to build; provide it with `Provider::value` or `Provider::factory`"
}
struct Borrowing<'a>(&'a str);
::core::compile_error! {
    "a provider lives as long as the application, so it borrows nothing: hold an `Arc`"
}
struct AppModule;
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    #[automatically_derived]
    impl __nest::Module for AppModule {
        fn define() -> __nest::ModuleDef {
            __nest::ModuleDef::new::<Self>().import::<ConfigModule>()
        }
    }
};
::core::compile_error! {
    "expected `imports`, `providers`, `controllers`, `microservices`, `exports`, `interceptors`, `guards`, `pipes` or `filters` with a list, or `global`"
}
::core::compile_error! {
    "`providers` lists a type or a `Provider`; to provide something by name write `Provider::value(…).named(\"NAME\")`"
}
