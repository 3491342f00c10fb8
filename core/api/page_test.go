package api

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write docs/API.md anew")

const page = "../../docs/API.md"

// kafkaRow is a key that Apache Kafka 4.2 advertises: name, first and last version.
type kafkaRow struct {
	key      Key
	name     string
	min, max int16
}

// kafka is what a broker listener advertises.
var kafka = []kafkaRow{
	{0, "Produce", 0, 13},
	{1, "Fetch", 4, 18},
	{2, "ListOffsets", 1, 11},
	{3, "Metadata", 0, 13},
	{8, "OffsetCommit", 2, 10},
	{9, "OffsetFetch", 1, 10},
	{10, "FindCoordinator", 0, 6},
	{11, "JoinGroup", 0, 9},
	{12, "Heartbeat", 0, 4},
	{13, "LeaveGroup", 0, 5},
	{14, "SyncGroup", 0, 5},
	{15, "DescribeGroups", 0, 6},
	{16, "ListGroups", 0, 5},
	{17, "SaslHandshake", 0, 1},
	{18, "ApiVersions", 0, 4},
	{19, "CreateTopics", 2, 7},
	{20, "DeleteTopics", 1, 6},
	{21, "DeleteRecords", 0, 2},
	{22, "InitProducerId", 0, 5},
	{23, "OffsetForLeaderEpoch", 2, 4},
	{24, "AddPartitionsToTxn", 0, 5},
	{25, "AddOffsetsToTxn", 0, 4},
	{26, "EndTxn", 0, 5},
	{27, "WriteTxnMarkers", 1, 2},
	{28, "TxnOffsetCommit", 0, 5},
	{29, "DescribeAcls", 1, 3},
	{30, "CreateAcls", 1, 3},
	{31, "DeleteAcls", 1, 3},
	{32, "DescribeConfigs", 1, 4},
	{33, "AlterConfigs", 0, 2},
	{34, "AlterReplicaLogDirs", 1, 2},
	{35, "DescribeLogDirs", 1, 4},
	{36, "SaslAuthenticate", 0, 2},
	{37, "CreatePartitions", 0, 3},
	{38, "CreateDelegationToken", 1, 3},
	{39, "RenewDelegationToken", 1, 2},
	{40, "ExpireDelegationToken", 1, 2},
	{41, "DescribeDelegationToken", 1, 3},
	{42, "DeleteGroups", 0, 2},
	{43, "ElectLeaders", 0, 2},
	{44, "IncrementalAlterConfigs", 0, 1},
	{45, "AlterPartitionReassignments", 0, 1},
	{46, "ListPartitionReassignments", 0, 0},
	{47, "OffsetDelete", 0, 0},
	{48, "DescribeClientQuotas", 0, 1},
	{49, "AlterClientQuotas", 0, 1},
	{50, "DescribeUserScramCredentials", 0, 0},
	{51, "AlterUserScramCredentials", 0, 0},
	{55, "DescribeQuorum", 0, 2},
	{57, "UpdateFeatures", 0, 2},
	{60, "DescribeCluster", 0, 2},
	{61, "DescribeProducers", 0, 0},
	{64, "UnregisterBroker", 0, 0},
	{65, "DescribeTransactions", 0, 0},
	{66, "ListTransactions", 0, 2},
	{68, "ConsumerGroupHeartbeat", 0, 1},
	{69, "ConsumerGroupDescribe", 0, 1},
	{71, "GetTelemetrySubscriptions", 0, 0},
	{72, "PushTelemetry", 0, 0},
	{74, "ListConfigResources", 0, 1},
	{75, "DescribeTopicPartitions", 0, 0},
	{76, "ShareGroupHeartbeat", 1, 1},
	{77, "ShareGroupDescribe", 1, 1},
	{78, "ShareFetch", 1, 2},
	{79, "ShareAcknowledge", 1, 2},
	{80, "AddRaftVoter", 0, 1},
	{81, "RemoveRaftVoter", 0, 0},
	{83, "InitializeShareGroupState", 0, 0},
	{84, "ReadShareGroupState", 0, 0},
	{85, "WriteShareGroupState", 0, 1},
	{86, "DeleteShareGroupState", 0, 0},
	{87, "ReadShareGroupStateSummary", 0, 1},
	{88, "StreamsGroupHeartbeat", 0, 0},
	{89, "StreamsGroupDescribe", 0, 0},
	{90, "DescribeShareGroupOffsets", 0, 1},
	{91, "AlterShareGroupOffsets", 0, 0},
	{92, "DeleteShareGroupOffsets", 0, 0},
}

// kafkaController is what a controller listener advertises.
var kafkaController = []kafkaRow{
	{1, "Fetch", 4, 18},
	{17, "SaslHandshake", 0, 1},
	{18, "ApiVersions", 0, 4},
	{19, "CreateTopics", 2, 7},
	{20, "DeleteTopics", 1, 6},
	{29, "DescribeAcls", 1, 3},
	{30, "CreateAcls", 1, 3},
	{31, "DeleteAcls", 1, 3},
	{32, "DescribeConfigs", 1, 4},
	{33, "AlterConfigs", 0, 2},
	{36, "SaslAuthenticate", 0, 2},
	{37, "CreatePartitions", 0, 3},
	{38, "CreateDelegationToken", 1, 3},
	{39, "RenewDelegationToken", 1, 2},
	{40, "ExpireDelegationToken", 1, 2},
	{41, "DescribeDelegationToken", 1, 3},
	{43, "ElectLeaders", 0, 2},
	{44, "IncrementalAlterConfigs", 0, 1},
	{45, "AlterPartitionReassignments", 0, 1},
	{46, "ListPartitionReassignments", 0, 0},
	{49, "AlterClientQuotas", 0, 1},
	{51, "AlterUserScramCredentials", 0, 0},
	{52, "Vote", 0, 2},
	{53, "BeginQuorumEpoch", 0, 1},
	{54, "EndQuorumEpoch", 0, 1},
	{55, "DescribeQuorum", 0, 2},
	{56, "AlterPartition", 2, 3},
	{57, "UpdateFeatures", 0, 2},
	{58, "Envelope", 0, 0},
	{59, "FetchSnapshot", 0, 1},
	{60, "DescribeCluster", 0, 2},
	{62, "BrokerRegistration", 0, 4},
	{63, "BrokerHeartbeat", 0, 1},
	{64, "UnregisterBroker", 0, 0},
	{67, "AllocateProducerIds", 0, 0},
	{70, "ControllerRegistration", 0, 0},
	{73, "AssignReplicasToDirs", 0, 0},
	{80, "AddRaftVoter", 0, 1},
	{81, "RemoveRaftVoter", 0, 0},
	{82, "UpdateRaftVoter", 0, 0},
}

// remarks says of keys what the versions do not.
var remarks = map[Key]string{
	Produce: "Advertised from 0 since librdkafka wants it; who sends 0 to 2 loses the connection, as with Kafka. 12 and 13 wait for transactions: a batch of one is answered " +
		"INVALID_TXN_STATE.",
	ListOffsets:     "Nothing is tiered: -4 is the log start, -5 and -6 have no offset.",
	FindCoordinator: "Answers COORDINATOR_NOT_AVAILABLE: there are no groups or transactions yet. Advertised because librdkafka takes LZ4 from its presence.",
	InitProducerID:  "Without a transactional id only.",
	DescribeConfigs: "Topics, this broker, every broker's default, client metrics and groups (as stored). A broker has no loggers of its own levels.",
	AlterConfigs:    "As IncrementalAlterConfigs.",
	IncrementalAlterConfigs: "Topics; of brokers the keys that give topics their defaults. Other keys of a broker, and other resources, are INVALID_REQUEST. A value that asks for " +
		"what is not done is INVALID_CONFIG.",
	DescribeLogDirs:            "The metadata log is not listed.",
	DescribeProducers:          "There are no transactions: no coordinator epoch, no first offset.",
	ListConfigResources:        "Client metrics and groups are listed as they are stored; they do not act.",
	ListPartitionReassignments: "What a directory of Kafka's says is moving; nothing moves here.",
	UnregisterBroker:           "A broker that lives registers again.",
	DescribeTopicPartitions:    "At most 2000 partitions an answer.",
}

// TestPage: docs/API.md is what the table of served keys says. go test ./core/api -rewrite writes it.
func TestPage(t *testing.T) {
	got := render()
	have, err := os.ReadFile(page)
	if *rewrite {
		err = os.WriteFile(page, []byte(got), 0o644)
		have = []byte(got)
	}
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != got {
		t.Errorf("%s is stale: go test ./core/api -rewrite", page)
	}
}

func render() string {
	var b strings.Builder
	b.WriteString("# The Kafka protocol as served\n\nWritten by `go test ./core/api -rewrite` from the table that ApiVersions advertises (`core/api/keys.go`). " +
		"Beside it stand the versions of Apache Kafka 4.2's\nbroker listener.\n\n" +
		"A client that reads ApiVersions never sends what is not advertised. Who sends it anyway loses the connection, as with Kafka: there is no answer that it could read.\n" +
		"An unknown version of ApiVersions itself is answered in version 0 with UNSUPPORTED_VERSION and the range of that one key.\n\n" +
		"| key | name | served | Kafka | remarks |\n|---|---|---|---|---|\n")
	var missing []string
	for _, k := range kafka {
		r, ok := Lookup(k.key)
		if !ok {
			missing = append(missing, fmt.Sprintf("%s (%d)", k.name, k.key))
			continue
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", k.key, k.name, versions(r.Min, r.Max), versions(k.min, k.max), remarks[k.key])
	}
	b.WriteString("\n## Not served\n\nThe keys are not advertised. Clients say so when asked for one of them (UnsupportedVersionException and its like), before anything is sent.\n\n")
	b.WriteString(strings.Join(missing, ", ") + ".\n")
	b.WriteString("\n## The controller's listeners\n\nWhat a listener of `controller.listener.names` serves, beside Apache Kafka 4.2's controller.\n\n| key | name | served | Kafka |\n|---|---|---|---|\n")
	missing = nil
	for _, k := range kafkaController {
		r, ok := Find(ByController, k.key)
		if !ok {
			missing = append(missing, fmt.Sprintf("%s (%d)", k.name, k.key))
			continue
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", k.key, k.name, versions(r.Min, r.Max), versions(k.min, k.max))
	}
	b.WriteString("\nNot served there: " + strings.Join(missing, ", ") + ".\n")
	return b.String()
}

func versions(min, max int16) string {
	if min == max {
		return fmt.Sprint(min)
	}
	return fmt.Sprintf("%d–%d", min, max)
}

// Rows are in order and within Kafka's: a client may branch on more than a version.
func TestServedIsKafkas(t *testing.T) {
	within(t, Served, kafka)
	within(t, ByController, kafkaController)
}

func within(t *testing.T, served []Range, theirs []kafkaRow) {
	named := map[Key]bool{}
	for _, k := range theirs {
		r, ok := Find(served, k.key)
		if named[k.key] = ok; ok && (r.Name != k.name || r.Min < k.min || r.Max > k.max) {
			t.Errorf("%v is served as %q %d to %d; Kafka has %q %d to %d", k.key, r.Name, r.Min, r.Max, k.name, k.min, k.max)
		}
	}
	for i, r := range served {
		if !named[r.Key] || i > 0 && r.Key <= served[i-1].Key {
			t.Errorf("%v is not Kafka's, or out of order", r.Key)
		}
	}
}
