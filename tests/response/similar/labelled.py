"""Sixty closed incidents of one company, and how responders describe the same troubles in other words.

The descriptions were written from what happened, before any of them was tried.
"""

INCIDENTS = {
    "pool": (
        "orders-api answers 500 since the 14:00 deploy",
        "Connection pool to Postgres exhausted: a new code path opened a transaction and never closed it.",
        "Rolled back to the previous build; pool usage is back to 20 %.",
    ),
    "replica-lag": (
        "Read replicas of the orders database lag by 20 minutes",
        "A batch job rewrote a whole table, and the replicas could not keep up. Customers saw old order states.",
        "Job stopped; replicas caught up within the hour.",
    ),
    "failover": (
        "Primary database failed over to the standby",
        "A disk controller died. 40 seconds of writes were lost and re-entered from the event log.",
        "All payments are reconciled.",
    ),
    "disk-full": (
        "Volume of the search cluster is full",
        "Old indices were never deleted after the retention job was renamed. Nodes went read-only.",
        "Deleted indices older than 30 days and fixed the retention job.",
    ),
    "migration-lock": (
        "Checkout hangs during schema change",
        "ALTER TABLE took an exclusive lock while long reports were running; all writes queued behind it.",
        "Migration killed. It will run with a lock timeout from now on.",
    ),
    "cert-gateway": (
        "TLS certificate of the public gateway expired",
        "The renewal ran, but the load balancer was not reloaded. Browsers showed a warning for 25 minutes.",
        "Reloaded; an alarm now fires 14 days before expiry.",
    ),
    "cert-sftp": (
        "Partner SFTP refuses our connections",
        "The bank rotated its host key without notice, so payout files stayed in our outbox.",
        "New key pinned, the files were delivered.",
    ),
    "cert-chain": (
        "Older Android phones cannot connect",
        "The new certificate was deployed without its intermediate; only old trust stores noticed.",
        "Full chain deployed.",
    ),
    "dns": (
        "status.example.com does not resolve",
        "The zone was deleted by the infrastructure code when a module was renamed.",
        "Zone restored from backup, records protected against deletion.",
    ),
    "cdn": (
        "Images and stylesheets load slowly in Australia",
        "The CDN sent all requests of the region to a single overloaded edge in Singapore.",
        "The provider moved traffic back to Sydney.",
    ),
    "webhook-delay": (
        "Webhook deliveries to merchants are delayed",
        "One merchant's endpoint accepted connections and never answered, and blocked the queue.",
        "The endpoint is suspended, a per-merchant limit is in place.",
    ),
    "webhook-dupes": (
        "Merchants receive the same event many times",
        "Acknowledgements were lost after the queue upgrade, so every event was sent again.",
        "Downgraded the client library.",
    ),
    "kafka": (
        "Consumers of the payments topic are stuck",
        "A malformed message made every consumer crash and restart in a loop (poison pill).",
        "Skipped the offset; the parser now moves bad messages to a dead letter queue.",
    ),
    "kafka-disk": (
        "Kafka broker 3 is out of the cluster",
        "Its log directory was corrupt after a power cut in the rack.",
        "Broker rebuilt; partitions are in sync again.",
    ),
    "redis": (
        "Sessions lost, all users were signed out",
        "Redis reached its memory limit and evicted session keys.",
        "Sessions have an instance of their own now.",
    ),
    "redis-failover": (
        "Cache flapping between two masters",
        "A network partition made both sentinels promote a node.",
        "Quorum raised to three.",
    ),
    "login-sso": (
        "Single sign-on with Okta fails",
        "Our SAML metadata pointed to a signing key that was retired.",
        "Metadata published again, customers were told to refresh it.",
    ),
    "login-sms": (
        "One-time codes do not arrive by text message",
        "The SMS carrier filtered our sender name in France and Spain.",
        "Switched to a second provider for these countries.",
    ),
    "login-slow": (
        "Login takes 30 seconds",
        "Password hashing ran on two CPUs after the autoscaler shrank the pool at night.",
        "Minimum of six instances set.",
    ),
    "password-reset": (
        "Password reset e-mails land in spam",
        "The DKIM record was dropped in the move to another DNS provider.",
        "Record added, reputation recovers.",
    ),
    "cards-eu": (
        "Card payments declined in the EU",
        "3-D Secure challenges timed out after a certificate rotation at the issuer's access control server.",
        "The scheme restored service.",
    ),
    "cards-amex": (
        "American Express transactions are refused",
        "The acquirer's routing table had no entry for the new BIN range.",
        "The acquirer updated its table.",
    ),
    "apple-pay": (
        "Apple Pay button is missing in Safari",
        "The domain association file was not served after the move to the new web server.",
        "File restored; a synthetic check reads it.",
    ),
    "refunds": (
        "Refunds are paid twice",
        "A retry after a timeout carried a new idempotency key.",
        "Key is derived from the refund now; 41 customers were contacted.",
    ),
    "payouts": (
        "Weekly payouts were not sent",
        "The scheduler skipped the run because the clocks changed to summer time.",
        "Run by hand; the job uses UTC now.",
    ),
    "ledger": (
        "Ledger balances differ from the bank statement",
        "Rounding of Japanese yen used two decimals in the import.",
        "Entries corrected, finance signed off.",
    ),
    "invoices": (
        "Invoices show the wrong VAT rate for Germany",
        "A tax table was loaded with last year's rates.",
        "Table corrected and 1,204 invoices reissued.",
    ),
    "export": (
        "Nightly export to the tax authority did not run",
        "The cron host was rebooted for a kernel patch at the same minute.",
        "Exported by hand, schedule moved.",
    ),
    "search-german": (
        "Search finds nothing for German customers",
        "An index with the wrong analyzer was swapped in.",
        "Index rolled back after 50 minutes.",
    ),
    "search-slow": (
        "Product search is slow at peak",
        "A wildcard query of a partner scanned every shard.",
        "Query blocked and partner informed.",
    ),
    "k8s-nodes": (
        "Half of the Kubernetes nodes are NotReady",
        "The kubelet could not renew its client certificate after the control plane upgrade.",
        "Approved the pending requests, nodes are back.",
    ),
    "k8s-oom": (
        "checkout pods are restarted every few minutes",
        "The container ran out of memory: a cache in the new release had no upper bound.",
        "Limit raised, cache bounded in 4.12.1.",
    ),
    "k8s-image": (
        "New pods stay in ImagePullBackOff",
        "The registry token of the cluster had expired.",
        "Token replaced; rotation is automatic now.",
    ),
    "autoscale": (
        "Traffic peak of the TV campaign was not absorbed",
        "The autoscaler hit the quota for virtual machines in eu-west-1.",
        "Quota raised, instances pre-warmed for the next spot.",
    ),
    "az-power": (
        "One availability zone lost power",
        "A third of the fleet went away; the load balancer kept sending requests there for six minutes.",
        "Health checks are stricter now.",
    ),
    "lb": (
        "Load balancer drops websocket connections",
        "The idle timeout was lowered from 300 to 30 seconds by a default in the new module.",
        "Timeout set explicitly.",
    ),
    "bgp": (
        "Office and VPN cannot reach production",
        "The transit provider announced our prefix by mistake (route leak).",
        "Prefix filtered by the provider.",
    ),
    "firewall": (
        "Fraud scoring service is unreachable",
        "A firewall rule was removed as unused; it was used once an hour.",
        "Rule restored.",
    ),
    "ratelimit": (
        "Mobile app shows 'too many requests'",
        "All phones of one carrier share an address, and the new limiter counts by address.",
        "Limiter counts by account.",
    ),
    "ddos": (
        "Flood of requests against the sign-up page",
        "A botnet created 80,000 accounts from residential proxies.",
        "Captcha switched on and accounts removed.",
    ),
    "app-crash": (
        "iOS app crashes at start",
        "A feature flag returned a string where the app expected a number.",
        "Flag corrected; version 8.3.2 reads it defensively.",
    ),
    "android-push": (
        "No push notifications on Android",
        "The messaging server key was revoked during an audit of secrets.",
        "New key installed.",
    ),
    "flag": (
        "Dashboard is blank for administrators",
        "An experiment was switched on for everybody and its bundle was missing.",
        "Experiment off.",
    ),
    "bundle": (
        "White page after release of the web shop",
        "Old HTML referred to script files that the deploy had deleted.",
        "Files of the last five releases are kept.",
    ),
    "emails": (
        "Order confirmations are hours late",
        "The e-mail provider throttled us after a newsletter to all customers.",
        "Newsletter paused; transactional mail has its own address.",
    ),
    "gdpr": (
        "Customer data visible to another customer",
        "A cache in front of the account page ignored the cookie.",
        "Cache disabled, 17 customers informed, authority notified.",
    ),
    "credential": (
        "Access key found in a public repository",
        "An intern pushed a settings file. The key could read one bucket.",
        "Key revoked; the access log shows no foreign use.",
    ),
    "phishing": (
        "Employees received a forged payroll mail",
        "Four people entered their password on a copy of our login page.",
        "Passwords reset, sessions ended, domain taken down.",
    ),
    "s3": (
        "Uploads of documents fail with access denied",
        "A bucket policy was tightened and forgot the role of the upload service.",
        "Policy corrected.",
    ),
    "s3-cost": (
        "Storage bill grew tenfold",
        "Debug logging wrote every request body to the bucket.",
        "Logging off, objects deleted.",
    ),
    "logs": (
        "No logs since midnight",
        "The collector's buffer was full because the log cluster refused a mapping change.",
        "Mapping fixed; six hours of logs are lost.",
    ),
    "monitoring": (
        "Alerts did not page anyone",
        "The alert manager's configuration failed to load after a merge.",
        "Configuration is tested before it is merged.",
    ),
    "ci": (
        "Builds wait for an hour",
        "Runners were not released after cancelled jobs.",
        "Runners restarted, clean-up job added.",
    ),
    "deploy": (
        "Deploys are blocked",
        "The artifact store ran out of inodes.",
        "Old artifacts removed.",
    ),
    "ntp": (
        "Signatures rejected because of clock skew",
        "Time synchronisation was off on the hosts of one rack after a firmware update.",
        "Service enabled again.",
    ),
    "leap": (
        "Reports of February have 29 days",
        "The report generator assumed every fourth year.",
        "Reports regenerated.",
    ),
    "import-ja": (
        "加盟店の売上データ取り込みが毎晩欠落する",
        "店舗名が255バイトを超える行が取り込まれません。",
        "列の長さを広げて再取り込みしました。",
    ),
    "russian": (
        "Не приходят уведомления о платежах",  # noqa: RUF001  # Russian
        "Очередь сообщений переполнена после обновления сервера.",
        "Очередь очищена, уведомления отправлены повторно.",
    ),
    "geo": (
        "Prices in the wrong currency for travellers",
        "The location database placed a Swiss carrier in Brazil.",
        "Database updated.",
    ),
    "partner-api": (
        "Shipping labels cannot be printed",
        "The parcel carrier switched off the old version of its API a week early.",
        "Moved to the new version.",
    ),
}
"""Name, summary and last message of each incident, by a label."""

QUERIES = [
    ("API returning 500s, no free db connections", "pool"),
    ("stale order status because the replica is behind", "replica-lag"),
    ("database failover, some writes are missing", "failover"),
    ("elasticsearch nodes read-only, no disk space left", "disk-full"),
    ("migration is holding a lock and writes are piling up", "migration-lock"),
    ("browser says our certificate has expired", "cert-gateway"),
    ("payout files are not going out, sftp host key mismatch at the bank", "cert-sftp"),
    ("tls handshake fails on old Android devices", "cert-chain"),
    ("dns zone gone after terraform run", "dns"),
    ("merchants complain that webhooks come in late", "webhook-delay"),
    ("duplicate webhook events", "webhook-dupes"),
    ("kafka consumer crash loop on one bad message", "kafka"),
    ("everybody got logged out", "redis"),
    ("customers can't sign in via SAML / Okta", "login-sso"),
    ("2FA SMS not being delivered in Spain", "login-sms"),
    ("signing in is really slow", "login-slow"),
    ("card transactions in Europe failing at 3DS", "cards-eu"),
    ("Amex declined", "cards-amex"),
    ("customers were refunded two times", "refunds"),
    ("payout job did not run after daylight saving change", "payouts"),
    ("VAT wrong on German invoices", "invoices"),
    ("pods OOMKilled on checkout", "k8s-oom"),
    ("cannot pull images from the registry, unauthorized", "k8s-image"),
    ("nodes not ready after cluster upgrade", "k8s-nodes"),
    ("websockets disconnect after half a minute", "lb"),
    ("users on one mobile network get HTTP 429", "ratelimit"),
    ("bots registering thousands of fake accounts", "ddos"),
    ("app crashes on launch on iPhones", "app-crash"),
    ("Android users get no push messages", "android-push"),
    ("blank page after frontend deploy, js files 404", "bundle"),
    ("confirmation mails delayed, provider is throttling", "emails"),
    ("user sees someone else's account page", "gdpr"),
    ("secret key leaked on GitHub", "credential"),
    ("403 when uploading files to S3", "s3"),
    ("nobody was paged, alertmanager config broken", "monitoring"),
    ("CI queue is very long, runners stuck", "ci"),
    ("clock drift makes request signatures invalid", "ntp"),
    ("夜間の売上取り込みで加盟店のデータが欠けている", "import-ja"),
    ("уведомления о платеже не доходят", "russian"),  # noqa: RUF001  # Russian
    ("can't create labels for parcels, carrier API gone", "partner-api"),
]
"""What a responder writes, and the label of the incident that is meant."""
