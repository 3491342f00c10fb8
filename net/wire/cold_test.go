package wire

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
)

// coldRequests is one full request for each cold key served.
func coldRequests() []kmsg.Request {
	list := kmsg.NewPtrListOffsetsRequest()
	list.Topics = []kmsg.ListOffsetsRequestTopic{{}, {Topic: "a",
		Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Partition: 1, Timestamp: -1}, {}}}}
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("a")}, {Topic: kmsg.StringPtr("")}}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey, find.CoordinatorKeys = "g", []string{"g", "h"}
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.ClientSoftwareName, versions.ClientSoftwareVersion = "odradek", "1.0"
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "a", NumPartitions: 3,
		ReplicaAssignment: []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Partition: 1, Replicas: []int32{1, 2, 3}}},
		Configs:           []kmsg.CreateTopicsRequestTopicConfig{{Name: "x"}, {Name: "y", Value: kmsg.StringPtr("z")}}}, {}}
	drop := kmsg.NewPtrDeleteTopicsRequest()
	drop.TopicNames, drop.Topics = []string{"a", ""}, []kmsg.DeleteTopicsRequestTopic{{Topic: kmsg.StringPtr("a")}, {}}
	trim := kmsg.NewPtrDeleteRecordsRequest()
	trim.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "a", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 1, Offset: 7}, {}}}, {}}
	all := []kmsg.Request{list, metadata, find, versions, create, drop, trim, kmsg.NewPtrInitProducerIDRequest(), kmsg.NewPtrDescribeClusterRequest()}
	return slices.Concat(all, adminRequests(), quorumRequests(), brokerRequests())
}

// quorumRequests are those of coldRequests that controllers ask of one another.
func quorumRequests() []kmsg.Request {
	cluster := kmsg.StringPtr("c")
	vote := kmsg.NewPtrVoteRequest()
	vote.ClusterID, vote.VoterID = cluster, 3
	vote.Topics = []kmsg.VoteRequestTopic{{}, {Topic: "a", Partitions: []kmsg.VoteRequestTopicPartition{{CandidateEpoch: 7, LastOffset: 9, PreVote: true}, {}}}}
	begin := kmsg.NewPtrBeginQuorumEpochRequest()
	begin.ClusterID = cluster
	begin.Topics = []kmsg.BeginQuorumEpochRequestTopic{{Topic: "a", Partitions: []kmsg.BeginQuorumEpochRequestTopicPartition{{LeaderID: 1, LeaderEpoch: 2}, {}}}}
	begin.LeaderEndpoints = []kmsg.BeginQuorumEpochRequestLeaderEndpoint{{Name: "C", Host: "h", Port: 9093}, {}}
	end := kmsg.NewPtrEndQuorumEpochRequest()
	end.Topics = []kmsg.EndQuorumEpochRequestTopic{{}, {Topic: "a", Partitions: []kmsg.EndQuorumEpochRequestTopicPartition{{PreferredSuccessors: []int32{1, 2},
		PreferredCandidates: []kmsg.EndQuorumEpochRequestTopicPartitionPreferredCandidate{{CandidateID: 4}, {}}}, {}}}}
	end.LeaderEndpoints = []kmsg.EndQuorumEpochRequestLeaderEndpoint{{Name: "C", Host: "h", Port: 9093}, {}}
	describe := kmsg.NewPtrDescribeQuorumRequest()
	describe.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "a", Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{Partition: 1}, {}}}, {}}
	snapshot := kmsg.NewPtrFetchSnapshotRequest()
	snapshot.ClusterID, snapshot.MaxBytes = cluster, 1<<20
	part := kmsg.NewFetchSnapshotRequestTopicPartition()
	part.SnapshotID.EndOffset, part.SnapshotID.Epoch, part.Position = 7, 2, 1<<20
	snapshot.Topics = []kmsg.FetchSnapshotRequestTopic{{Topic: "a", Partitions: []kmsg.FetchSnapshotRequestTopicPartition{part, kmsg.NewFetchSnapshotRequestTopicPartition()}}, {}}
	return []kmsg.Request{vote, begin, end, describe, snapshot}
}

// brokerRequests are those of coldRequests that brokers ask of the controller.
func brokerRequests() []kmsg.Request {
	alter := kmsg.NewPtrAlterPartitionRequest()
	alter.Topics = []kmsg.AlterPartitionRequestTopic{{}, {Partitions: []kmsg.AlterPartitionRequestTopicPartition{{NewISR: []int32{1, 2},
		NewEpochISR: []kmsg.AlterPartitionRequestTopicPartitionNewEpochISR{{BrokerID: 1, BrokerEpoch: 5}, {}}}, {}}}}
	register := kmsg.NewPtrBrokerRegistrationRequest()
	register.ClusterID, register.Rack = "c", kmsg.StringPtr("r")
	register.Listeners = []kmsg.BrokerRegistrationRequestListener{{Name: "P", Host: "h", Port: 9092}, {}}
	register.Features = []kmsg.BrokerRegistrationRequestFeature{{Name: "metadata.version", MaxSupportedVersion: 25}, {}}
	register.LogDirs = [][16]byte{{1}, {2}}
	beat := kmsg.NewPtrBrokerHeartbeatRequest()
	beat.OfflineLogDirs = [][16]byte{{1}, {2}}
	controller := kmsg.NewPtrControllerRegistrationRequest()
	controller.Listeners = []kmsg.ControllerRegistrationRequestListener{{Name: "C", Host: "h", Port: 9093}, {}}
	controller.Features = []kmsg.ControllerRegistrationRequestFeature{{Name: "metadata.version", MaxSupportedVersion: 25}, {}}
	assign := kmsg.NewPtrAssignReplicasToDirsRequest()
	assign.Directories = []kmsg.AssignReplicasToDirsRequestDirectory{{ID: [16]byte{1}, Topics: []kmsg.AssignReplicasToDirsRequestDirectoryTopic{{TopicID: [16]byte{2},
		Partitions: []kmsg.AssignReplicasToDirsRequestDirectoryTopicPartition{{Partition: 1}, {}}}, {}}}, {}}
	return []kmsg.Request{alter, register, beat, controller, assign, kmsg.NewPtrUnregisterBrokerRequest(), kmsg.NewPtrAllocateProducerIDsRequest()}
}

// adminRequests are those of coldRequests about configs and partitions.
func adminRequests() []kmsg.Request {
	describe := kmsg.NewPtrDescribeConfigsRequest()
	describe.Resources = []kmsg.DescribeConfigsRequestResource{{}, {ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "a", ConfigNames: []string{"x", ""}}}
	alter := kmsg.NewPtrAlterConfigsRequest()
	alter.Resources = []kmsg.AlterConfigsRequestResource{{}, {ResourceName: "a", Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: "x"}, {Name: "y", Value: kmsg.StringPtr("z")}}}}
	step := kmsg.NewPtrIncrementalAlterConfigsRequest()
	step.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{}, {ResourceName: "a",
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "x"}, {Name: "y", Op: kmsg.IncrementalAlterConfigOpAppend, Value: kmsg.StringPtr("z")}}}}
	grow := kmsg.NewPtrCreatePartitionsRequest()
	grow.Topics = []kmsg.CreatePartitionsRequestTopic{{}, {Topic: "a", Count: 3, Assignment: []kmsg.CreatePartitionsRequestTopicAssignment{{Replicas: []int32{1, 2}}, {}}}}
	epochs := kmsg.NewPtrOffsetForLeaderEpochRequest()
	epochs.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{}, {Topic: "a", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{{LeaderEpoch: 3}, {}}}}
	dirs := kmsg.NewPtrDescribeLogDirsRequest()
	dirs.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "a", Partitions: []int32{1, 2}}, {}}
	producers := kmsg.NewPtrDescribeProducersRequest()
	producers.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "a", Partitions: []int32{1, 2}}, {}}
	resources := kmsg.NewPtrListConfigResourcesRequest()
	resources.ResourceTypes = []int8{2, 16}
	topics := kmsg.NewPtrDescribeTopicPartitionsRequest()
	topics.Topics, topics.Cursor = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "a"}, {}}, &kmsg.DescribeTopicPartitionsRequestCursor{Topic: "a", Partition: 3}
	first := kmsg.NewPtrDescribeTopicPartitionsRequest()
	elect := kmsg.NewPtrElectLeadersRequest()
	elect.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "a", Partitions: []int32{1, 2}}, {}}
	gone := kmsg.NewPtrUnregisterBrokerRequest()
	gone.BrokerID = 7
	moves := kmsg.NewPtrListPartitionReassignmentsRequest()
	moves.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{{Topic: "a", Partitions: []int32{1, 2}}, {}}
	return []kmsg.Request{describe, alter, step, grow, epochs, dirs, producers, resources, topics, first, elect, moves, gone}
}

// Each cold key served has a shape, and the walk ends exactly where kmsg's encoding does, in every version.
func TestShapesAgainstKmsg(t *testing.T) {
	seen := map[api.Key]bool{api.Produce: true, api.Fetch: true}
	for _, req := range coldRequests() {
		key := api.Key(req.Key())
		seen[key] = true
		row, _ := rowOf(key)
		for version := row.Min; version <= row.Max; version++ {
			req.SetVersion(version)
			body := req.AppendTo(nil)
			c := cursor{b: body, flex: req.IsFlexible()}
			if walk(&c, shapes[key], version); c.err != nil || len(c.b) != 0 {
				t.Errorf("%v v%d: %v, %d of %d bytes left", key, version, c.err, len(c.b), len(body))
			}
			got, err := decodeBody(key, version, body)
			if err != nil || !bytes.Equal(got.AppendTo(nil), body) {
				t.Errorf("%v v%d: %v", key, version, err)
			}
			for cut := range body {
				if _, err := decodeBody(key, version, body[:cut]); !errors.Is(err, ErrMalformed) {
					t.Errorf("%v v%d cut to %d of %d bytes: %v", key, version, cut, len(body), err)
				}
			}
			if flexible(key, version) != req.IsFlexible() {
				t.Errorf("%v v%d: flexible", key, version)
			}
		}
	}
	for _, row := range slices.Concat(api.Served, api.ByController) {
		if !seen[row.Key] {
			t.Errorf("%v is served and has no shape", row.Key)
		}
	}
}

// A body that claims arrays it does not hold costs next to nothing, in whatever place the claim stands.
func TestLyingLengths(t *testing.T) {
	const pad = 1 << 18
	for _, req := range coldRequests() {
		key := api.Key(req.Key())
		row, _ := rowOf(key)
		for _, version := range []int16{row.Min, row.Max} {
			req.SetVersion(version)
			whole := req.AppendTo(nil)
			for at := range whole {
				body := append(bytes.Clone(whole[:at]), 0xff, 0xff, 0xff, 0x7f, 0xff) // as varint 2²⁸, as int32 about −2³¹
				checkCost(t, key, version, append(body, make([]byte, pad)...), at)
				body = append(bytes.Clone(whole[:at]), 0, 0x03, 0xff, 0xff) // as int32 2¹⁸ − 1
				checkCost(t, key, version, append(body, make([]byte, pad)...), at)
			}
		}
	}
}

func checkCost(t *testing.T, key api.Key, version int16, body []byte, at int) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decodeBody(key, version, body)
	runtime.ReadMemStats(&after)
	if cost := after.TotalAlloc - before.TotalAlloc; cost > 24*uint64(len(body)) {
		t.Errorf("%v v%d, lie at %d: %d bytes allocated for %d, %v", key, version, at, cost, len(body), err)
	}
}

func TestHotLyingLengths(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	c := NewConn(Info{Peer: "p"})
	for _, req := range []kmsg.Request{randProduce(r, 11), randProduce(r, 3), randFetch(r, 4), randFetch(r, 12), randFetch(r, 18)} {
		whole := frameOf(1, req)
		for at := frameMin; at < len(whole.Data); at++ {
			for _, lie := range [][]byte{{0xff, 0xff, 0xff, 0x7f}, {0, 1, 0x86, 0x9f}, {0x7f, 0xff, 0xff, 0xff}, {0x9f, 0x8d, 0x06}} {
				f := whole
				f.Data = append(append(bytes.Clone(whole.Data[:at]), lie...), whole.Data[at:]...)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := c.Decode(&Env{Prepare: plainPrepare}, f)
				runtime.ReadMemStats(&after)
				if cost := after.TotalAlloc - before.TotalAlloc; cost > 8192+64*uint64(len(f.Data)) {
					t.Fatalf("%v v%d, lie at %d: %d bytes allocated for %d, %v", f.Key, f.Version, at, cost, len(f.Data), err)
				}
			}
		}
	}
}

func TestTooManyTagsAndPartitions(t *testing.T) {
	body := []byte{1, 0, 0, 0} // Metadata v12: an empty array, two flags
	body = append(body[:3], appendUvarint(nil, tagsMax+1)...)
	for range tagsMax + 1 {
		body = append(body, 9, 0)
	}
	if _, err := decodeBody(api.Metadata, 12, body); err == nil || !strings.Contains(err.Error(), "65 tagged fields; allowed are 64") {
		t.Error(err)
	}
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: "a", Partitions: make([]kmsg.ProduceRequestTopicPartition, ProducePartitionsMax+1)}}
	_, err := NewConn(Info{Peer: "1.2.3.4:5"}).Decode(&Env{Prepare: plainPrepare}, frameOf(1, req))
	if err == nil || !strings.Contains(err.Error(), "10001 partitions; allowed are 10000") || !strings.Contains(err.Error(), "1.2.3.4:5") {
		t.Error(err)
	}
}

func TestLongMessageFitsItsLength(t *testing.T) {
	if b := appendString(nil, strings.Repeat("x", 1<<16), false); len(b) != 2+math.MaxInt16 {
		t.Error(len(b))
	}
}

// Java takes any number below 0 before a nullable structure for null, kmsg only −1. Were the walk and kmsg of two minds, kmsg would read what nobody bounded: here
// a number of tagged fields for which it goes on for half a minute.
func TestNullStructureAsJavaHasIt(t *testing.T) {
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = 7
	body := req.AppendTo(nil)
	for at, b := range body {
		if b == 0xff && at == len(body)-2 { // the cursor, and no tagged fields behind it
			body[at] = 0xf4
		}
	}
	got, err := decodeBody(api.DescribeTopicPartitions, 0, body)
	if err != nil || got.(*kmsg.DescribeTopicPartitionsRequest).Cursor != nil || got.(*kmsg.DescribeTopicPartitionsRequest).ResponsePartitionLimit != 7 {
		t.Fatalf("%+v, %v", got, err)
	}
	if body[len(body)-2] != 0xff {
		t.Error("the test says nothing: the cursor is elsewhere")
	}
}
