#[micro_routes]
impl Clock {
    #[message_pattern("ticks")]
    fn ticks(&self) -> impl Stream<Item = u64> {
        self.source.ticks()
    }

    #[message_pattern("ticks.from")]
    async fn ticks_from(
        &self,
        start: u64,
        cx: &ExecutionContext,
    ) -> Result<impl Stream<Item = Result<u64, ClockError>> + use<'_>, ClockError> {
        self.source.from(start, cx).await
    }

    #[message_pattern("ticks.boxed")]
    fn boxed(&self, limit: u64) -> BoxStream<'_, u64> {
        self.source.ticks().take(limit).boxed()
    }
}
