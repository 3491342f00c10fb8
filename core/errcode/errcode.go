// Package errcode holds the error codes of the Kafka protocol under Kafka's names.
package errcode

import "strconv"

// Code is a Kafka protocol error code; 0 is success.
type Code int16

// The error codes in use, under Kafka's names.
const (
	UnknownServerError          Code = -1
	None                        Code = 0
	OffsetOutOfRange            Code = 1
	CorruptMessage              Code = 2
	UnknownTopicOrPartition     Code = 3
	InvalidFetchSize            Code = 4
	LeaderNotAvailable          Code = 5
	NotLeaderOrFollower         Code = 6
	RequestTimedOut             Code = 7
	ReplicaNotAvailable         Code = 9
	MessageTooLarge             Code = 10
	NetworkException            Code = 13
	CoordinatorLoadInProgress   Code = 14
	CoordinatorNotAvailable     Code = 15
	NotCoordinator              Code = 16
	InvalidTopicException       Code = 17
	RecordListTooLarge          Code = 18
	NotEnoughReplicas           Code = 19
	NotEnoughReplicasAppend     Code = 20
	InvalidRequiredAcks         Code = 21
	TopicAuthorizationFailed    Code = 29
	GroupAuthorizationFailed    Code = 30
	ClusterAuthorizationFailed  Code = 31
	InvalidTimestamp            Code = 32
	UnsupportedVersion          Code = 35
	TopicAlreadyExists          Code = 36
	InvalidPartitions           Code = 37
	InvalidReplicationFactor    Code = 38
	InvalidReplicaAssignment    Code = 39
	InvalidConfig               Code = 40
	NotController               Code = 41
	InvalidRequest              Code = 42
	PolicyViolation             Code = 44
	OutOfOrderSequenceNumber    Code = 45
	DuplicateSequenceNumber     Code = 46
	InvalidProducerEpoch        Code = 47
	InvalidTxnState             Code = 48
	KafkaStorageError           Code = 56
	SaslAuthenticationFailed    Code = 58
	UnknownProducerID           Code = 59
	FetchSessionIDNotFound      Code = 70
	InvalidFetchSessionEpoch    Code = 71
	TopicDeletionDisabled       Code = 73
	FencedLeaderEpoch           Code = 74
	UnknownLeaderEpoch          Code = 75
	UnsupportedCompressionType  Code = 76
	StaleBrokerEpoch            Code = 77
	OffsetNotAvailable          Code = 78
	PreferredLeaderNotAvailable Code = 80
	EligibleLeadersNotAvailable Code = 83
	ElectionNotNeeded           Code = 84
	InvalidRecord               Code = 87
	ThrottlingQuotaExceeded     Code = 89
	InconsistentVoterSet        Code = 94
	InvalidUpdateVersion        Code = 95
	SnapshotNotFound            Code = 98
	PositionOutOfRange          Code = 99
	UnknownTopicID              Code = 100
	DuplicateBrokerRegistration Code = 101
	BrokerIDNotRegistered       Code = 102
	InconsistentTopicID         Code = 103
	InconsistentClusterID       Code = 104
	FetchSessionTopicIDError    Code = 106
	IneligibleReplica           Code = 107
	NewLeaderElected            Code = 108
	MismatchedEndpointType      Code = 114
	UnsupportedEndpointType     Code = 115
	InvalidRegistration         Code = 119
	InvalidVoterKey             Code = 125
)

var codeNames = map[Code]string{
	UnknownServerError: "UNKNOWN_SERVER_ERROR", None: "NONE", OffsetOutOfRange: "OFFSET_OUT_OF_RANGE", CorruptMessage: "CORRUPT_MESSAGE",
	UnknownTopicOrPartition: "UNKNOWN_TOPIC_OR_PARTITION", InvalidFetchSize: "INVALID_FETCH_SIZE", LeaderNotAvailable: "LEADER_NOT_AVAILABLE",
	NotLeaderOrFollower: "NOT_LEADER_OR_FOLLOWER", RequestTimedOut: "REQUEST_TIMED_OUT", MessageTooLarge: "MESSAGE_TOO_LARGE",
	NetworkException: "NETWORK_EXCEPTION", CoordinatorLoadInProgress: "COORDINATOR_LOAD_IN_PROGRESS", NotCoordinator: "NOT_COORDINATOR",
	CoordinatorNotAvailable: "COORDINATOR_NOT_AVAILABLE", InvalidTopicException: "INVALID_TOPIC_EXCEPTION", RecordListTooLarge: "RECORD_LIST_TOO_LARGE",
	NotEnoughReplicas: "NOT_ENOUGH_REPLICAS", NotEnoughReplicasAppend: "NOT_ENOUGH_REPLICAS_AFTER_APPEND", InvalidRequiredAcks: "INVALID_REQUIRED_ACKS",
	TopicAuthorizationFailed: "TOPIC_AUTHORIZATION_FAILED", GroupAuthorizationFailed: "GROUP_AUTHORIZATION_FAILED",
	ClusterAuthorizationFailed: "CLUSTER_AUTHORIZATION_FAILED", SaslAuthenticationFailed: "SASL_AUTHENTICATION_FAILED",
	InvalidTimestamp: "INVALID_TIMESTAMP", UnsupportedVersion: "UNSUPPORTED_VERSION", TopicAlreadyExists: "TOPIC_ALREADY_EXISTS",
	InvalidPartitions: "INVALID_PARTITIONS", InvalidReplicationFactor: "INVALID_REPLICATION_FACTOR", InvalidReplicaAssignment: "INVALID_REPLICA_ASSIGNMENT",
	InvalidConfig: "INVALID_CONFIG", NotController: "NOT_CONTROLLER", InvalidRequest: "INVALID_REQUEST", PolicyViolation: "POLICY_VIOLATION",
	OutOfOrderSequenceNumber: "OUT_OF_ORDER_SEQUENCE_NUMBER", DuplicateSequenceNumber: "DUPLICATE_SEQUENCE_NUMBER",
	InvalidProducerEpoch: "INVALID_PRODUCER_EPOCH", InvalidTxnState: "INVALID_TXN_STATE", KafkaStorageError: "KAFKA_STORAGE_ERROR", UnknownProducerID: "UNKNOWN_PRODUCER_ID",
	FetchSessionIDNotFound: "FETCH_SESSION_ID_NOT_FOUND", InvalidFetchSessionEpoch: "INVALID_FETCH_SESSION_EPOCH",
	FetchSessionTopicIDError: "FETCH_SESSION_TOPIC_ID_ERROR",
	TopicDeletionDisabled:    "TOPIC_DELETION_DISABLED", FencedLeaderEpoch: "FENCED_LEADER_EPOCH", UnknownLeaderEpoch: "UNKNOWN_LEADER_EPOCH",
	UnsupportedCompressionType: "UNSUPPORTED_COMPRESSION_TYPE", OffsetNotAvailable: "OFFSET_NOT_AVAILABLE", InvalidRecord: "INVALID_RECORD",
	StaleBrokerEpoch: "STALE_BROKER_EPOCH", InconsistentVoterSet: "INCONSISTENT_VOTER_SET", InvalidUpdateVersion: "INVALID_UPDATE_VERSION", SnapshotNotFound: "SNAPSHOT_NOT_FOUND", PositionOutOfRange: "POSITION_OUT_OF_RANGE", DuplicateBrokerRegistration: "DUPLICATE_BROKER_REGISTRATION", BrokerIDNotRegistered: "BROKER_ID_NOT_REGISTERED", InconsistentClusterID: "INCONSISTENT_CLUSTER_ID", IneligibleReplica: "INELIGIBLE_REPLICA", NewLeaderElected: "NEW_LEADER_ELECTED", InvalidRegistration: "INVALID_REGISTRATION", InvalidVoterKey: "INVALID_VOTER_KEY", ReplicaNotAvailable: "REPLICA_NOT_AVAILABLE",
	PreferredLeaderNotAvailable: "PREFERRED_LEADER_NOT_AVAILABLE", EligibleLeadersNotAvailable: "ELIGIBLE_LEADERS_NOT_AVAILABLE", ElectionNotNeeded: "ELECTION_NOT_NEEDED",
	ThrottlingQuotaExceeded: "THROTTLING_QUOTA_EXCEEDED", UnknownTopicID: "UNKNOWN_TOPIC_ID", MismatchedEndpointType: "MISMATCHED_ENDPOINT_TYPE", UnsupportedEndpointType: "UNSUPPORTED_ENDPOINT_TYPE", InconsistentTopicID: "INCONSISTENT_TOPIC_ID",
}

// String returns Kafka's name of c.
func (c Code) String() string {
	if s, ok := codeNames[c]; ok {
		return s
	}
	return "ERROR_" + strconv.Itoa(int(c))
}
