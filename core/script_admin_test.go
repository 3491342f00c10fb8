package core

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
)

// admin runs the commands about configs and partitions.
func (n *testNode) admin(words []string, f fields) {
	switch words[0] {
	case "alter": // alter topic=t key=value key= (deleted)
		n.alter(words, f)
	case "partitions":
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.TimeoutMillis = 1000
		topic := kmsg.NewCreatePartitionsRequestTopic()
		topic.Topic, topic.Count = f["topic"], int32(f.num("count", 0))
		req.Topics = append(req.Topics, topic)
		n.request(f, api.CreatePartitions, 3, func(r *Request) { r.Body = req })
	default:
		n.t.Fatalf("unknown command %q", words[0])
	}
}

func (n *testNode) alter(words []string, f fields) {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.ValidateOnly = f["validate"] != ""
	of := kmsg.NewIncrementalAlterConfigsRequestResource()
	of.ResourceType, of.ResourceName = kmsg.ConfigResourceTypeTopic, f["topic"]
	if id, ok := f["broker"]; ok {
		of.ResourceType, of.ResourceName = kmsg.ConfigResourceTypeBroker, id
	}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		if !strings.Contains(name, ".") {
			continue
		}
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		if c.Name, c.Value = name, &value; value == "" {
			c.Op, c.Value = kmsg.IncrementalAlterConfigOpDelete, nil
		}
		of.Configs = append(of.Configs, c)
	}
	req.Resources = append(req.Resources, of)
	n.request(f, api.IncrementalAlterConfigs, 1, func(r *Request) { r.Body = req })
}
