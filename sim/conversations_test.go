package sim

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
)

// conversations are what a fuzzer begins with: each key served in its lowest and highest version, empty and about the topic t, and a few longer talks.
func conversations(id [16]byte) (out [][]byte) {
	for _, row := range api.Served {
		for _, version := range []int16{row.Min, row.Max} {
			empty := kmsg.RequestForKey(int16(row.Key))
			empty.SetVersion(version)
			full := about(row.Key, version, id)
			out = append(out, pieces(empty), pieces(full), pieces(full, empty, full))
		}
	}
	fetch := func(session, epoch int32, offset int64) kmsg.Request {
		req := about(api.Fetch, 12, id).(*kmsg.FetchRequest)
		req.SessionID, req.SessionEpoch, req.Topics[0].Partitions[0].FetchOffset = session, epoch, offset
		return req
	}
	forget := about(api.Fetch, 12, id).(*kmsg.FetchRequest)
	forget.SessionEpoch, forget.Topics = 2, nil
	forget.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: "t", Partitions: []int32{0}}}
	produce := produceTo("t", 11)
	silent := produceTo("t", 11)
	silent.Acks = 0
	lost := produceTo("nowhere", 11)
	lost.Acks = 0
	unserved, tooNew := kmsg.NewPtrJoinGroupRequest(), about(api.Metadata, 13, id).(*kmsg.MetadataRequest)
	tooNew.SetVersion(99)
	broken := pieces(about(api.Metadata, 12, id))
	broken[len(broken)-2] = 0xff
	out = append(out, pieces(produce, unserved, produce), pieces(tooNew), append(broken, pieces(produce)...), cut(pieces(produce)), []byte("GET / HTTP/1.1\r\n\r\n"))
	create, drop := about(api.CreateTopics, 7, id), about(api.DeleteTopics, 5, id)
	return append(out, pieces(fetch(0, 0, 0), fetch(1, 1, 1), forget), pieces(produce, silent, produce, fetch(0, -1, 1)), pieces(silent, lost, produce),
		pieces(drop, create, produce, drop), pieces(about(api.ApiVersions, 3, id), about(api.Metadata, 12, id), about(api.InitProducerID, 4, id), produce))
}

// cut is one request without its last bytes, in an honest frame.
func cut(piece []byte) []byte {
	piece = piece[:len(piece)-5]
	binary.BigEndian.PutUint16(piece, uint16(len(piece)-2))
	return piece
}

// about is a request of that key about the topic t.
func about(key api.Key, version int16, id [16]byte) kmsg.Request {
	req := kmsg.RequestForKey(int16(key))
	req.SetVersion(version)
	switch r := req.(type) {
	case *kmsg.ProduceRequest:
		return produceTo("t", version)
	case *kmsg.FetchRequest:
		p := kmsg.NewFetchRequestTopicPartition()
		p.PartitionMaxBytes = 1 << 20
		r.MaxWaitMillis, r.MaxBytes, r.SessionEpoch = 100, 1<<20, -1
		r.Topics = []kmsg.FetchRequestTopic{{Topic: "t", TopicID: id, Partitions: []kmsg.FetchRequestTopicPartition{p}}}
	case *kmsg.ListOffsetsRequest:
		r.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Timestamp: -1}, {Partition: 1, Timestamp: 5}}}}
	case *kmsg.MetadataRequest:
		r.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("t")}}
	case *kmsg.FindCoordinatorRequest:
		r.CoordinatorKey, r.CoordinatorKeys = "g", []string{"g"}
	case *kmsg.ApiVersionsRequest:
		r.ClientSoftwareName, r.ClientSoftwareVersion = "stranger", "1"
	case *kmsg.CreateTopicsRequest:
		r.TimeoutMillis = 1000
		r.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "u", NumPartitions: 2, ReplicationFactor: 1,
			Configs: []kmsg.CreateTopicsRequestTopicConfig{{Name: "retention.ms", Value: kmsg.StringPtr("5000")}}}}
	case *kmsg.DeleteTopicsRequest:
		r.TimeoutMillis, r.TopicNames = 1000, []string{"t"}
		r.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: id}}
	case *kmsg.DeleteRecordsRequest:
		r.TimeoutMillis = 1000
		r.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 1}}}}
	case *kmsg.OffsetForLeaderEpochRequest:
		r.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{{}}}}
	case *kmsg.DescribeLogDirsRequest:
		r.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "t", Partitions: []int32{0, 1}}}
	case *kmsg.DescribeProducersRequest:
		r.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "t", Partitions: []int32{0, 1}}}
	default:
		return aboutAdmin(req)
	}
	return req
}

// aboutAdmin goes on with what configures.
func aboutAdmin(req kmsg.Request) kmsg.Request {
	topic := kmsg.ConfigResourceTypeTopic
	switch r := req.(type) {
	case *kmsg.DescribeConfigsRequest:
		r.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: topic, ResourceName: "t"}, {ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: "1"}}
	case *kmsg.AlterConfigsRequest:
		r.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: topic, ResourceName: "t",
			Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: "retention.ms", Value: kmsg.StringPtr("9")}}}}
	case *kmsg.IncrementalAlterConfigsRequest:
		r.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: topic, ResourceName: "t",
			Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "segment.bytes", Value: kmsg.StringPtr("1000")}}}}
	case *kmsg.CreatePartitionsRequest:
		r.TimeoutMillis = 1000
		r.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "t", Count: 3}}
	case *kmsg.ElectLeadersRequest:
		r.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0, 1}}}
	case *kmsg.ListPartitionReassignmentsRequest:
		r.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{{Topic: "t", Partitions: []int32{0}}}
	case *kmsg.DescribeTopicPartitionsRequest:
		r.ResponsePartitionLimit = 1
		r.Topics = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "t"}}
	}
	return req
}
