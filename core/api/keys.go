// Package api holds what the protocol says, as flat structs of our own: Produce and Fetch (whatever decodes them), the error codes,
// and the table of APIs served. Cold keys use franz-go's kmsg structs.
package api

import "strconv"

// Key is a Kafka API key.
type Key int16

// The API keys that this broker knows by name.
const (
	Produce                    Key = 0
	Fetch                      Key = 1
	ListOffsets                Key = 2
	Metadata                   Key = 3
	FindCoordinator            Key = 10
	ApiVersions                Key = 18
	CreateTopics               Key = 19
	DeleteTopics               Key = 20
	DeleteRecords              Key = 21
	InitProducerID             Key = 22
	OffsetForLeaderEpoch       Key = 23
	DescribeConfigs            Key = 32
	AlterConfigs               Key = 33
	DescribeLogDirs            Key = 35
	CreatePartitions           Key = 37
	ElectLeaders               Key = 43
	IncrementalAlterConfigs    Key = 44
	ListPartitionReassignments Key = 46
	Vote                       Key = 52
	BeginQuorumEpoch           Key = 53
	EndQuorumEpoch             Key = 54
	DescribeQuorum             Key = 55
	AlterPartition             Key = 56
	FetchSnapshot              Key = 59
	DescribeCluster            Key = 60
	DescribeProducers          Key = 61
	BrokerRegistration         Key = 62
	BrokerHeartbeat            Key = 63
	UnregisterBroker           Key = 64
	AllocateProducerIDs        Key = 67
	ControllerRegistration     Key = 70
	AssignReplicasToDirs       Key = 73
	ListConfigResources        Key = 74
	DescribeTopicPartitions    Key = 75
)

// Range is one row of the table of APIs: the versions served, both ends included. Refused names the first version really served,
// where lower ones are advertised only because clients infer features from them.
type Range struct {
	Key      Key
	Min, Max int16
	Refused  int16 // versions below this are advertised, and who sends one loses the connection; 0: none
	Name     string
}

// Served lists the APIs of the broker listener by rising key: the contract that ApiVersions advertises (FEATURES §1).
//
// Produce is advertised from 0 because librdkafka demands it (KAFKA-18659), and stops at 11 until transactions finalize
// transaction.version 2.
var Served = []Range{
	{Produce, 0, 11, 3, "Produce"},
	{Fetch, 4, 18, 0, "Fetch"},
	{ListOffsets, 1, 11, 0, "ListOffsets"},
	{Metadata, 0, 13, 0, "Metadata"},
	{FindCoordinator, 0, 6, 0, "FindCoordinator"},
	{ApiVersions, 0, 4, 0, "ApiVersions"},
	{CreateTopics, 2, 7, 0, "CreateTopics"},
	{DeleteTopics, 1, 6, 0, "DeleteTopics"},
	{DeleteRecords, 0, 2, 0, "DeleteRecords"},
	{InitProducerID, 0, 5, 0, "InitProducerId"},
	{OffsetForLeaderEpoch, 2, 4, 0, "OffsetForLeaderEpoch"},
	{DescribeConfigs, 1, 4, 0, "DescribeConfigs"},
	{AlterConfigs, 0, 2, 0, "AlterConfigs"},
	{DescribeLogDirs, 1, 4, 0, "DescribeLogDirs"},
	{CreatePartitions, 0, 3, 0, "CreatePartitions"},
	{ElectLeaders, 0, 2, 0, "ElectLeaders"},
	{IncrementalAlterConfigs, 0, 1, 0, "IncrementalAlterConfigs"},
	{ListPartitionReassignments, 0, 0, 0, "ListPartitionReassignments"},
	{DescribeCluster, 0, 2, 0, "DescribeCluster"},
	{DescribeProducers, 0, 0, 0, "DescribeProducers"},
	{UnregisterBroker, 0, 0, 0, "UnregisterBroker"},
	{ListConfigResources, 0, 1, 0, "ListConfigResources"},
	{DescribeTopicPartitions, 0, 0, 0, "DescribeTopicPartitions"},
}

// Lookup returns the row of key in Served.
func Lookup(key Key) (Range, bool) {
	for _, r := range Served {
		if r.Key == key {
			return r, true
		}
	}
	return Range{}, false
}

// String returns Kafka's name of k.
func (k Key) String() string {
	if r, ok := Lookup(k); ok {
		return r.Name
	}
	return "Api" + strconv.Itoa(int(k))
}
