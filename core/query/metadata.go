package query

import (
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// Missing returns the topics that a Metadata request allows to be made and that could be: named, well-formed, not there. Before version 4 every request
// allows it.
func Missing(img *image.Image, req *kmsg.MetadataRequest) []string {
	if req.Version >= 4 && !req.AllowAutoTopicCreation {
		return nil
	}
	var names []string
	for i := range req.Topics {
		name := req.Topics[i].Topic
		if name == nil || config.CheckTopicName(*name) != nil {
			continue
		}
		if _, ok := img.Topic(*name); !ok {
			names = append(names, *name)
		}
	}
	return names
}

// Metadata answers Metadata from the image. address is host:port at which the client reached us: what it is told to connect to where no advertised
// listener says otherwise.
func Metadata(v *View, req *kmsg.MetadataRequest, address string) *kmsg.MetadataResponse {
	response := req.ResponseKind().(*kmsg.MetadataResponse)
	response.ClusterID = &v.ClusterID
	response.ControllerID = int32(v.Self)
	for b := range v.Image.Brokers() {
		if b.Fenced {
			continue
		}
		out := kmsg.NewMetadataResponseBroker()
		out.NodeID = int32(b.ID)
		out.Host, out.Port = v.endpoint(b, address)
		out.Rack = b.Rack
		response.Brokers = append(response.Brokers, out)
	}
	if req.Topics == nil || (req.Version == 0 && len(req.Topics) == 0) {
		for t := range v.Image.Topics() {
			response.Topics = append(response.Topics, v.describeTopic(t))
		}
		return response
	}
	for i := range req.Topics {
		response.Topics = append(response.Topics, v.requestedTopic(&req.Topics[i]))
	}
	return response
}

func (v *View) requestedTopic(asked *kmsg.MetadataRequestTopic) kmsg.MetadataResponseTopic {
	if asked.Topic == nil {
		if t, ok := v.Image.TopicByID(asked.TopicID); ok {
			return v.describeTopic(t)
		}
		out := kmsg.NewMetadataResponseTopic()
		out.TopicID, out.ErrorCode = asked.TopicID, int16(errcode.UnknownTopicID)
		return out
	}
	if t, ok := v.Image.Topic(*asked.Topic); ok {
		return v.describeTopic(t)
	}
	out := kmsg.NewMetadataResponseTopic()
	out.Topic, out.ErrorCode = asked.Topic, int16(errcode.UnknownTopicOrPartition)
	if config.CheckTopicName(*asked.Topic) != nil {
		out.ErrorCode = int16(errcode.InvalidTopicException)
	}
	return out
}

func (v *View) describeTopic(t *image.Topic) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	name := t.Name
	out.Topic, out.TopicID = &name, t.ID
	out.IsInternal = internal(name)
	out.Partitions = make([]kmsg.MetadataResponseTopicPartition, 0, len(t.Partitions))
	for i := range t.Partitions {
		p := t.Partitions[i]
		q := kmsg.NewMetadataResponseTopicPartition()
		q.Partition, q.Leader, q.LeaderEpoch = int32(i), int32(p.Leader), int32(p.LeaderEpoch)
		if p.Leader == record.NoNode {
			q.ErrorCode = int16(errcode.LeaderNotAvailable)
		}
		q.Replicas, q.ISR = nodeNumbers(p.Replicas), nodeNumbers(p.Isr)
		q.OfflineReplicas = v.offline(p)
		out.Partitions = append(out.Partitions, q)
	}
	return out
}

// offline returns the replicas whose broker is not there, or lacks their directory.
func (v *View) offline(p *image.Partition) []int32 {
	var out []int32
	for _, id := range p.Replicas {
		if b, ok := v.Image.Broker(id); !ok || b.Fenced || !image.DirOnline(p.DirectoryOf(id), b.LogDirs) {
			out = append(out, int32(id))
		}
	}
	return out
}

func nodeNumbers(ids []record.NodeID) []int32 {
	out := make([]int32, len(ids))
	for i, id := range ids {
		out[i] = int32(id)
	}
	return out
}

// Node says where to reach a broker that may be asked: one that is registered and not fenced.
func (v *View) Node(id record.NodeID, address string) (api.Node, bool) {
	b, ok := v.Image.Broker(id)
	if !ok || b.Fenced {
		return api.Node{}, false
	}
	n := api.Node{ID: id, Rack: b.Rack}
	n.Host, n.Port = v.endpoint(b, address)
	return n, true
}

// endpoint is what clients are told to connect to for a broker: for ourselves the address that just worked, unless advertised.listeners is set.
func (v *View) endpoint(b *image.Broker, address string) (string, int32) {
	if b.ID == v.Self && len(v.Config.Advertised) == 0 {
		if colon := strings.LastIndexByte(address, ':'); colon > 0 {
			if port, err := strconv.ParseUint(address[colon+1:], 10, 16); err == nil {
				return strings.Trim(address[:colon], "[]"), int32(port)
			}
		}
	}
	if len(b.Endpoints) == 0 {
		return "", -1
	}
	return b.Endpoints[0].Host, int32(b.Endpoints[0].Port)
}
