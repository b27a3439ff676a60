//! The container as a provider sees it once everything is built (NestJS's `ModuleRef`).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::container::{Container, Late, Visible};
use crate::injectable::{Injectable, Key};
use crate::provider_scope::{Call, ContextId, ProviderScope};
use crate::resolver::ResolveError;

/// Gives providers when they are asked for, not when one is built; inject it anywhere as `Arc<ModuleRef>`.
///
/// It sees what its module sees; [`ModuleRef::non_strict`] sees every module. It asks a finished application: in a
/// constructor or a factory every method fails, from `on_module_init` on none does for that reason. It does not keep the
/// application alive.
///
/// | | singleton | transient | request-scoped |
/// |---|---|---|---|
/// | [`get`](Self::get) | the only one | an error | an error |
/// | [`resolve`](Self::resolve) | the only one | a new one | a new one, with all it needs |
/// | [`resolve_in`](Self::resolve_in) | the only one | a new one | that of the context id |
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::{BootOptions, ModuleDef, ModuleRef, Provider, ProviderScope, boot};
///
/// struct AppModule;
/// struct Report(u32);
///
/// # futures_util::FutureExt::now_or_never(async {
/// let report = Provider::factory(|pages: Arc<u32>| Report(*pages)).scope(ProviderScope::Transient);
/// let root = ModuleDef::new::<AppModule>().provide(Provider::value(3_u32)).provide(report);
/// let app = boot(root, BootOptions::default()).await.unwrap();
///
/// let module: Arc<ModuleRef> = app.root.get().unwrap();
/// assert_eq!(*module.get::<u32>().unwrap(), 3);
/// let (one, other) = (module.resolve::<Report>().await.unwrap(), module.resolve::<Report>().await.unwrap());
/// assert_eq!(one.0 + other.0, 6);
/// assert!(!Arc::ptr_eq(&one, &other));
/// assert_eq!(
///     module.get::<String>().unwrap_err().to_string(),
///     "`Arc<String>` is not provided anywhere in the sight of `AppModule`",
/// );
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ModuleRef {
    late: Late,
    module: usize,
    strict: bool,
}

impl ModuleRef {
    pub(crate) fn new(late: Late, module: usize) -> Self {
        Self { late, module, strict: true }
    }

    /// The same, seeing every module (NestJS's `{ strict: false }`): what its own module sees goes first, then whatever
    /// exactly one module of the application provides, exported or not.
    ///
    /// ```
    /// use nestrs_core::{BootOptions, DynamicModule, ModuleDef, ModuleRef, Provider, boot};
    ///
    /// struct AppModule;
    /// struct SecretModule;
    ///
    /// # futures_util::FutureExt::now_or_never(async {
    /// let secret = DynamicModule::new::<SecretModule>().provide(Provider::value("hunter2"));
    /// let root = ModuleDef::new::<AppModule>().import_dynamic(secret);
    /// let app = boot(root, BootOptions::default()).await.unwrap();
    /// let module = app.root.get::<ModuleRef>().unwrap();
    /// assert!(module.get::<&str>().is_err());
    /// assert_eq!(*module.non_strict().get::<&str>().unwrap(), "hunter2");
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn non_strict(&self) -> Self {
        Self { strict: false, ..self.clone() }
    }

    /// The singleton of this type.
    ///
    /// # Errors
    /// When it is not in sight, is provided several times, or is no singleton.
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Arc<T>, ResolveError> {
        self.singleton(Key::of::<T>())
    }

    /// The singleton of this type under a name, which may be made at run time.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nestrs_core::{BootOptions, ModuleDef, ModuleRef, Provider, boot};
    ///
    /// struct AppModule;
    /// struct Euro;
    ///
    /// trait Currency: Send + Sync {
    ///     fn sign(&self) -> char;
    /// }
    ///
    /// impl Currency for Euro {
    ///     fn sign(&self) -> char {
    ///         '€'
    ///     }
    /// }
    ///
    /// # futures_util::FutureExt::now_or_never(async {
    /// let euro = Provider::shared(Arc::new(Euro) as Arc<dyn Currency>).named("EUR");
    /// let app = boot(ModuleDef::new::<AppModule>().provide(euro), BootOptions::default()).await.unwrap();
    /// let module = app.root.get::<ModuleRef>().unwrap();
    /// let asked = "eur".to_uppercase();
    /// assert_eq!(module.get_named::<dyn Currency>(asked).unwrap().sign(), '€');
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`ModuleRef::get`].
    pub fn get_named<T: ?Sized + Send + Sync + 'static>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> Result<Arc<T>, ResolveError> {
        self.singleton(Key::named::<T>(name))
    }

    /// An instance of one's own, and of everything behind it that is no singleton. A request-scoped provider is built
    /// outside of any call.
    ///
    /// # Errors
    /// When it is not in sight or cannot be built, as anything that needs `Arc<ExecutionContext>` here.
    pub async fn resolve<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Arc<T>, ResolveError> {
        self.resolve_in(&ContextId::new()).await
    }

    /// As [`ModuleRef::resolve`], by type and name.
    ///
    /// # Errors
    /// As [`ModuleRef::resolve`].
    pub async fn resolve_named<T: ?Sized + Send + Sync + 'static>(
        &self,
        name: impl Into<Cow<'static, str>>,
    ) -> Result<Arc<T>, ResolveError> {
        self.resolve_named_in(name, &ContextId::new()).await
    }

    /// The instance that belongs to a unit of work; with [`ContextId::of`], the one that a call's handler has.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nestrs_core::{BootOptions, ContextId, ModuleDef, ModuleRef, Provider, ProviderScope, boot};
    ///
    /// struct AppModule;
    /// struct Basket;
    ///
    /// # futures_util::FutureExt::now_or_never(async {
    /// let basket = Provider::factory(|| Basket).scope(ProviderScope::Request);
    /// let app = boot(ModuleDef::new::<AppModule>().provide(basket), BootOptions::default()).await.unwrap();
    /// let module = app.root.get::<ModuleRef>().unwrap();
    /// let job = ContextId::new();
    /// let mine: Arc<Basket> = module.resolve_in(&job).await.unwrap();
    /// assert!(Arc::ptr_eq(&mine, &module.resolve_in(&job).await.unwrap()));
    /// assert!(!Arc::ptr_eq(&mine, &module.resolve().await.unwrap()));
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// When it is not in sight or cannot be built.
    pub async fn resolve_in<T: ?Sized + Send + Sync + 'static>(&self, id: &ContextId) -> Result<Arc<T>, ResolveError> {
        self.instance(Key::of::<T>(), id)
    }

    /// As [`ModuleRef::resolve_in`], by type and name.
    ///
    /// # Errors
    /// When it is not in sight or cannot be built.
    pub async fn resolve_named_in<T: ?Sized + Send + Sync + 'static>(
        &self,
        name: impl Into<Cow<'static, str>>,
        id: &ContextId,
    ) -> Result<Arc<T>, ResolveError> {
        self.instance(Key::named::<T>(name), id)
    }

    /// Builds something that is no provider, with what it needs injected; always as its own module sees it. Its hooks do
    /// not run.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nestrs_core::{BootOptions, ModuleDef, ModuleRef, Provider, boot};
    /// # use nestrs_core::{Dependency, Injectable, ResolveError, Resolver};
    ///
    /// struct AppModule;
    ///
    /// /// No module provides it. `#[injectable]` writes how it is built.
    /// struct Report {
    ///     pages: Arc<u32>,
    /// }
    /// # impl Injectable for Report {
    /// #     fn dependencies() -> Vec<Dependency> { vec![Dependency::required::<u32>("pages")] }
    /// #     fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
    /// #         Ok(Self { pages: resolver.required()? })
    /// #     }
    /// # }
    ///
    /// # futures_util::FutureExt::now_or_never(async {
    /// let root = ModuleDef::new::<AppModule>().provide(Provider::value(3_u32));
    /// let app = boot(root, BootOptions::default()).await.unwrap();
    /// let report: Report = app.root.get::<ModuleRef>().unwrap().create().await.unwrap();
    /// assert_eq!(*report.pages, 3);
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Names everything that it needs and that is not there.
    pub async fn create<T: Injectable>(&self) -> Result<T, ResolveError> {
        self.create_in(&ContextId::new()).await
    }

    /// As [`ModuleRef::create`], in a unit of work: what it needs that is request-scoped is that of the context id.
    ///
    /// # Errors
    /// As [`ModuleRef::create`].
    pub async fn create_in<T: Injectable>(&self, id: &ContextId) -> Result<T, ResolveError> {
        let container = self.late.get()?;
        let view = &container.views[self.module];
        let needs = T::dependencies();
        let required = || needs.iter().filter(|need| !need.optional).map(|need| &need.key);
        for key in required() {
            if let Some(Visible::Several(modules)) = view.visible.get(key) {
                return Err(ResolveError::several(key.clone(), modules.clone()));
            }
        }
        let missing: Vec<Key> = required().filter(|key| view.find(key).is_none()).cloned().collect();
        if !missing.is_empty() {
            return Err(ResolveError::missing(missing, &format!("`{}`", view.name)));
        }
        T::construct(&container.resolver_of(self.module, &needs, Some(Call { store: &id.0, cx: None }))?)
    }

    fn singleton<T: ?Sized + Send + Sync + 'static>(&self, key: Key) -> Result<Arc<T>, ResolveError> {
        let container = self.late.get()?;
        let provider = self.find(&container, &key)?;
        match container.plans[provider].scope {
            ProviderScope::Singleton => take(&container, provider, key, None),
            scope => Err(ResolveError::scoped(key, scope)),
        }
    }

    fn instance<T: ?Sized + Send + Sync + 'static>(&self, key: Key, id: &ContextId) -> Result<Arc<T>, ResolveError> {
        let container = self.late.get()?;
        let provider = self.find(&container, &key)?;
        take(&container, provider, key, Some(Call { store: &id.0, cx: None }))
    }

    fn find(&self, container: &Container, key: &Key) -> Result<usize, ResolveError> {
        let view = &container.views[self.module];
        match view.visible.get(key) {
            Some(Visible::One(provider)) => return Ok(*provider),
            Some(Visible::Several(modules)) => return Err(ResolveError::several(key.clone(), modules.clone())),
            None if self.strict => return Err(ResolveError::missing(vec![key.clone()], &format!("`{}`", view.name))),
            None => {}
        }
        let listed = container.plans[..container.listed].iter().enumerate();
        let found: Vec<_> = listed.filter(|(_, plan)| plan.key == *key).collect();
        match found.as_slice() {
            [] => Err(ResolveError::missing(vec![key.clone()], "any module")),
            [(provider, _)] => Ok(*provider),
            several => {
                let modules = several.iter().map(|(_, plan)| container.views[plan.module].name.clone()).collect();
                Err(ResolveError::several(key.clone(), modules))
            }
        }
    }
}

fn take<T: ?Sized + Send + Sync + 'static>(
    container: &Container,
    provider: usize,
    key: Key,
    call: Option<Call<'_>>,
) -> Result<Arc<T>, ResolveError> {
    container.obtain(provider, call)?.get().ok_or_else(|| ResolveError::undeclared(key))
}

impl fmt::Debug for ModuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let container = self.late.get().ok();
        let name = container.as_ref().map(|container| container.views[self.module].name.as_str());
        f.debug_struct("ModuleRef").field("module", &name).field("strict", &self.strict).finish()
    }
}
