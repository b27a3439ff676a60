#[micro_routes]
#[use_micro_guards(TenantGuard)]
#[use_micro_interceptors(Timing)]
impl crate::orders::Orders {
    #[message_pattern([{ cmd: "place", v: -1.5 }, "orders.place", patterns::PLACE, 7])]
    #[use_micro_guards(RoleGuard<Clerk>, StockGuard)]
    #[use_micro_pipes(TrimNames)]
    async fn place(&self, order: Order) -> Placed {
        self.book(order)
    }

    #[event_pattern({ nested: { list: [1, "x", true, null] }, "quoted key": 1 })]
    fn shipped(&self) {}

    fn book(&self, order: Order) -> Placed {
        Placed(order)
    }
}
