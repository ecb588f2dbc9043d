//! Options of ioredis, Node's client, that do not exist here.

use crate::options::Foreign;

const RECONNECTS: Foreign = Foreign::Moot("the node reconnects with full jitter between 50 ms and 5 s");
const QUEUES: Foreign = Foreign::Moot("nothing is queued while disconnected");
const ONE_NODE: Foreign = Foreign::Moot("one node of the cluster is used, which passes everything on");

pub(super) const FOREIGN: &[(&str, Foreign)] = &[
    (
        "role",
        Foreign::Only("master", "master: what is published on a replica reaches only those who listen there"),
    ),
    (
        "path",
        Foreign::Refused("nothing: sockets in the file system are not supported, name a host and a port"),
    ),
    ("retryStrategy", RECONNECTS),
    ("reconnectOnError", RECONNECTS),
    ("sentinelRetryStrategy", RECONNECTS),
    ("sentinelReconnectStrategy", RECONNECTS),
    ("clusterRetryStrategy", RECONNECTS),
    ("clusterNodeRetryStrategy", RECONNECTS),
    ("maxRetriesPerRequest", QUEUES),
    ("enableOfflineQueue", QUEUES),
    ("autoResendUnfulfilledCommands", QUEUES),
    ("autoResubscribe", Foreign::Moot("subscriptions are always restored")),
    ("lazyConnect", Foreign::Moot("a node connects when it starts")),
    ("enableReadyCheck", Foreign::Moot("pub/sub does not wait for a data set to be loaded")),
    ("maxLoadingRetryTime", Foreign::Moot("pub/sub does not wait for a data set to be loaded")),
    ("enableAutoPipelining", Foreign::Moot("what is published is always pipelined")),
    ("autoPipeliningIgnoredCommands", Foreign::Moot("what is published is always pipelined")),
    ("keyPrefix", Foreign::Moot("channels have none in Node either")),
    ("readOnly", Foreign::Moot("pub/sub reads no keys")),
    ("scaleReads", Foreign::Moot("pub/sub reads no keys")),
    ("stringNumbers", Foreign::Moot("no numbers are read")),
    ("scripts", Foreign::Moot("no scripts are run")),
    ("blockingTimeout", Foreign::Moot("no command blocks")),
    ("blockingTimeoutGrace", Foreign::Moot("no command blocks")),
    ("disconnectTimeout", Foreign::Moot("see closeTimeout")),
    ("socketTimeout", Foreign::Moot("see pingInterval and commandTimeout")),
    ("slotsRefreshTimeout", Foreign::Moot("see commandTimeout")),
    ("sentinelCommandTimeout", Foreign::Moot("see commandTimeout")),
    ("showFriendlyErrorStack", Foreign::Moot("errors name what was wrong")),
    ("disableClientInfo", Foreign::Moot("the library's name is always told")),
    ("clientInfoTag", Foreign::Moot("see connectionName")),
    ("failoverDetector", Foreign::Moot("a change of the master is always noticed")),
    ("updateSentinels", Foreign::Moot("the Sentinels of the list are asked")),
    ("sentinelMaxConnections", Foreign::Moot("there is one connection with Sentinel")),
    ("preferredSlaves", Foreign::Moot("only the master is used")),
    ("maxRedirections", ONE_NODE),
    ("retryDelayOnMoved", ONE_NODE),
    ("retryDelayOnFailover", ONE_NODE),
    ("retryDelayOnClusterDown", ONE_NODE),
    ("retryDelayOnTryAgain", ONE_NODE),
];
