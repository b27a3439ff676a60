#[controller("/math")]
impl Gateway {
    #[get("/sum")]
    async fn sum(&self) -> Result<Json<u64>, TransportError> {
        Ok(Json(self.client.send("sum", &[1, 2]).await?))
    }

    #[post]
    #[put("/{id}")]
    fn store(&self, Path(id): Path<u64>, Json(dto): Json<Vec<Self>>) -> Stored {
        Stored(id, dto)
    }

    #[cfg(unix)]
    #[delete("/{id}")]
    async fn r#remove(&self, id: Path<u64>) {}

    fn helper(&self) {}
}

#[controller]
impl Root {
    #[get]
    fn index(&self) -> &'static str {
        "hello"
    }
}

#[controller("/orders")]
#[micro_routes]
impl Both {
    #[get("/{id}")]
    #[message_pattern("orders.find")]
    async fn find(&self, id: Id) -> Option<Order> {
        None
    }

    #[message_pattern("orders.place")]
    #[use_micro_guards(TokenGuard)]
    async fn place(&self, order: Order) {}
}
