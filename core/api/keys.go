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
	{DescribeQuorum, 0, 2, 0, "DescribeQuorum"},
	{DescribeCluster, 0, 2, 0, "DescribeCluster"},
	{DescribeProducers, 0, 0, 0, "DescribeProducers"},
	{UnregisterBroker, 0, 0, 0, "UnregisterBroker"},
	{ListConfigResources, 0, 1, 0, "ListConfigResources"},
	{DescribeTopicPartitions, 0, 0, 0, "DescribeTopicPartitions"},
}

// ByController lists the APIs of the controller's listeners by rising key: what nodes ask of one another, and what Kafka's controller answers to administrators (KIP-919).
var ByController = []Range{
	{Fetch, 4, 18, 0, "Fetch"},
	{ApiVersions, 0, 4, 0, "ApiVersions"},
	{CreateTopics, 2, 7, 0, "CreateTopics"},
	{DeleteTopics, 1, 6, 0, "DeleteTopics"},
	{DescribeConfigs, 1, 4, 0, "DescribeConfigs"},
	{AlterConfigs, 0, 2, 0, "AlterConfigs"},
	{CreatePartitions, 0, 3, 0, "CreatePartitions"},
	{ElectLeaders, 0, 2, 0, "ElectLeaders"},
	{IncrementalAlterConfigs, 0, 1, 0, "IncrementalAlterConfigs"},
	{ListPartitionReassignments, 0, 0, 0, "ListPartitionReassignments"},
	{Vote, 0, 2, 0, "Vote"},
	{BeginQuorumEpoch, 0, 1, 0, "BeginQuorumEpoch"},
	{EndQuorumEpoch, 0, 1, 0, "EndQuorumEpoch"},
	{DescribeQuorum, 0, 2, 0, "DescribeQuorum"},
	{AlterPartition, 2, 3, 0, "AlterPartition"},
	{FetchSnapshot, 0, 1, 0, "FetchSnapshot"},
	{DescribeCluster, 0, 2, 0, "DescribeCluster"},
	{BrokerRegistration, 0, 4, 0, "BrokerRegistration"},
	{BrokerHeartbeat, 0, 1, 0, "BrokerHeartbeat"},
	{UnregisterBroker, 0, 0, 0, "UnregisterBroker"},
	{AllocateProducerIDs, 0, 0, 0, "AllocateProducerIds"},
	{ControllerRegistration, 0, 0, 0, "ControllerRegistration"},
	{AssignReplicasToDirs, 0, 0, 0, "AssignReplicasToDirs"},
}

// Table returns what a listener serves: one of the controller's, or one of the broker's.
func Table(controller bool) []Range {
	if controller {
		return ByController
	}
	return Served
}

// Lookup returns the row of key in Served.
func Lookup(key Key) (Range, bool) { return Find(Served, key) }

// Find returns the row of key in a table.
func Find(table []Range, key Key) (Range, bool) {
	for _, r := range table {
		if r.Key == key {
			return r, true
		}
	}
	return Range{}, false
}

// String returns Kafka's name of k.
func (k Key) String() string {
	for _, controller := range []bool{false, true} {
		if r, ok := Find(Table(controller), k); ok {
			return r.Name
		}
	}
	return "Api" + strconv.Itoa(int(k))
}
