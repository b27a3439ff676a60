#[micro_routes]
impl Orders {
    #[message_pattern("a")]
    async fn properties(
        &self,
        #[payload("id")] id: u32,
        #[header("x-version")] version: String,
        #[header("x-limit")] limit: Option<u8>,
        peer: Peer,
        Extension(user): Extension<User>,
    ) {
    }

    #[message_pattern("b")]
    fn injected(
        &self,
        #[inject] repo: Arc<dyn Repo>,
        #[inject] audit: Option<Arc<Audit>>,
        #[inject("WORKERS")] workers: usize,
        order: Order,
    ) -> u64 {
        0
    }

    #[message_pattern("c")]
    async fn piped(
        &self,
        #[inject] other: Arc<Self>,
        #[payload("name")]
        #[pipe(Trim, MaxLength(80))]
        name: String,
        #[payload] whole: Payload,
        #[header("x")]
        #[pipe(ParseIntPipe)]
        limit: u8,
        #[pipe(Known)] user: User,
    ) -> Result<(), Error> {
        Ok(())
    }

    #[message_pattern("d")]
    fn streamed(&self, #[pipe(Sorted)] #[pipe(Limit::<Self>::default())] ids: Vec<u32>, #[inject] repo: Arc<Repo>, cx: &ExecutionContext) -> impl Stream<Item = u32> {
        stream::iter(ids)
    }
}
