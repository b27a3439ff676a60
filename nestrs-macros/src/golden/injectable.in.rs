/// Holds one field of every kind.
#[injectable]
#[derive(Debug)]
pub struct Orders<T: Clone + Send, const N: usize = 4>
where
    T: Repository + Sync + 'static,
{
    pub clock: Arc<Clock>,
    repository: std::sync::Arc<dyn Repository + Send + Sync>,
    generic: Option<Arc<T>>,
    #[inject("MATH_SERVICE")]
    math: ClientProxy,
    #[inject("BILLING")]
    billing: Arc<ClientProxy>,
    #[inject("AUDIT")]
    audit: Option<Arc<dyn Audit>>,
    count: AtomicU64,
    #[inject(default)]
    cache: Arc<Cache>,
    #[inject(value = [0; N])]
    slots: [u8; N],
    #[cfg(feature = "metrics")]
    metrics: Arc<Metrics>,
}

#[injectable(crate = crate::vendored::nestrs)]
#[cfg(unix)]
struct Pair(Arc<Clock>, #[inject("WORKERS")] u32, Counter);

#[injectable(scope = request, metadata = Every(60))]
struct Empty {}
