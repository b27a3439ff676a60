//! Who is talked to, and as whom: users, passwords, databases, TLS; and that none of it is told.

use serde_json::Value;

use super::*;

const CANARY: &str = "canary-51c0";

#[tokio::test]
async fn a_user_logs_in_by_a_url_or_by_setters() {
    let Some(broker) = Broker::start_or_skip(Redis::new().user("ali", CANARY)).await else { return };
    let url = format!("redis://ali:{CANARY}@{}/3", broker.address());
    let app = serve::<ContractModule>(RedisMicroserviceOptions::to(&url)).await;
    let client = client(to(&broker).username("ali").password(CANARY).database(2));
    assert_eq!(client.send::<_, i64>("echo", &1).await.unwrap(), 1);
    let mut raw = raw::Raw::connect(&broker).await;
    raw.command(&["AUTH", "ali", CANARY]).await;
    let clients = raw.command(&["CLIENT", "LIST"]).await[0].clone();
    let count = |text: &str| clients.lines().filter(|line| line.contains(text)).count();
    assert_eq!((count(" db=3 "), count(" db=2 "), count(" user=ali ")), (2, 2, 5));
    app.close().await;
}

#[tokio::test]
async fn se_5_a_wrong_password_ends_the_start_at_once_and_is_told_nowhere() {
    let log = support::connection::capture();
    let Some(broker) = Broker::start_or_skip(Redis::new().password("right")).await else { return };
    let url = format!("redis://ali:{CANARY}@{}", broker.address());
    let options = RedisMicroserviceOptions::to(&url);
    let mut said = format!("{options:?} {options:#?}");
    let starting = NestFactory::create_microservice_redis::<ContractModule>(options).start();
    let error = tokio::time::timeout(PATIENCE, starting).await.expect("at once").unwrap_err();
    said.push_str(&format!("{error} {error:?}"));
    assert!(error.to_string().contains("wrong user or password"), "{error}");

    for address in
        [url.clone(), format!("redis://ali:{CANARY}@{}/x", broker.address()), format!("redis://{}", broker.address())]
    {
        let options = RedisTransportOptions::to(&address);
        let client = client(options.clone());
        said.push_str(&format!("{options:?} {client:?}"));
        let error = client.send::<_, Value>("echo", &1).await.unwrap_err();
        assert_eq!(error.sent(), Some(Sent::No), "{error}");
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            said.push_str(&format!("{error} {error:?}"));
            cause = error.source();
        }
    }
    said.extend(log.lines().iter().map(|line| line.to_string()));
    assert!(!said.contains(CANARY), "{said}");
}

#[tokio::test]
async fn a_user_without_the_right_to_a_channel_is_told_so() {
    let recipe = Redis::new().user_with("ali", "pw", "+@all resetchannels &echo &echo.reply &fail.rpc");
    let Some(broker) = Broker::start_or_skip(recipe).await else { return };
    let client = client(to(&broker).username("ali").password("pw"));
    let error = client.send::<_, Value>("echo", &1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // Neither the reply channel, nor the channel itself.
    for pattern in ["fail.rpc", "none"] {
        let error = client.send::<_, Value>(pattern, &1).await.unwrap_err();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::Forbidden, Some(Sent::No)));
    }
    assert_eq!(client.emit("none", &1).await.unwrap_err().kind(), ErrorKind::Forbidden);

    let options = RedisMicroserviceOptions::to(&format!("redis://ali:pw@{}", broker.address()));
    let starting = NestFactory::create_microservice_redis::<ContractModule>(options).start();
    let error = tokio::time::timeout(PATIENCE, starting).await.expect("at once").unwrap_err();
    assert!(error.to_string().contains("NOPERM"), "{error}");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn se_1_tls_with_a_certificate_on_either_side() {
    use nestrs::microservices::net::tls::{TlsCertificate, TlsClientOptions, TlsRoots};
    use nestrs_brokers::Certificates;

    let certificates = Certificates::new();
    let Some(broker) = Broker::start_or_skip(Redis::new().mutual_tls(&certificates)).await else { return };
    let roots = TlsRoots::from_pem(&certificates.authority).unwrap();
    let own = TlsCertificate::from_pem(&certificates.client.certificate, &certificates.client.key).unwrap();
    let tls = TlsClientOptions::new(roots.clone()).certificate(own);
    let url = format!("rediss://{}", broker.address());
    let app = serve::<ContractModule>(RedisMicroserviceOptions::to(&url).tls(tls.clone())).await;
    let secure = client(RedisTransportOptions::to(&url).tls(tls));
    assert_eq!(secure.send::<_, i64>("echo", &1).await.unwrap(), 1);

    let said = async |options: RedisTransportOptions| {
        let error = client(options).send::<_, Value>("echo", &1).await.unwrap_err();
        assert_eq!(error.sent(), Some(Sent::No), "{error}");
        error.to_string()
    };
    // No certificate of ours; one of its that nobody vouches for; no TLS at all where TLS was asked for.
    let text = said(RedisTransportOptions::to(&url).tls(TlsClientOptions::new(roots))).await;
    assert!(text.contains("certificate"), "{text}");
    let others = TlsRoots::from_pem(&Certificates::new().authority).unwrap();
    let text = said(RedisTransportOptions::to(&url).tls(TlsClientOptions::new(others))).await;
    assert!(text.contains("the TLS handshake failed"), "{text}");
    let text = said(RedisTransportOptions::to(&url)).await;
    assert!(text.contains("see `tls`") || text.contains("by `tls`"), "{text}");
    app.close().await;
}
