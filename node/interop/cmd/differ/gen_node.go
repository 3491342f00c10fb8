package main

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (g *generator) describeCluster() *op {
	req := kmsg.NewPtrDescribeClusterRequest()
	g.version(req)
	req.IncludeClusterAuthorizedOperations, req.IncludeFencedBrokers = g.chance(2), g.chance(2)
	if req.EndpointType = 1; req.Version >= 1 && g.chance(3) {
		req.EndpointType = pick(g, int8(2), 0, 3, -1)
	}
	return &op{req: req}
}

func (g *generator) findCoordinator() *op {
	req := kmsg.NewPtrFindCoordinatorRequest()
	g.version(req)
	req.CoordinatorKey = pick(g, "group", "other group")
	req.CoordinatorKeys = pick(g, []string{"group"}, []string{"a", "b"}, []string{})
	if req.Version >= 1 {
		req.CoordinatorType = pick(g, int8(0), 0, 3, -1)
	}
	return &op{req: req}
}

func (g *generator) initProducerID() *op {
	req := kmsg.NewPtrInitProducerIDRequest()
	g.version(req)
	req.TransactionTimeoutMillis = pick(g, int32(60000), -1, 0)
	req.ProducerID, req.ProducerEpoch = -1, -1
	if len(g.producers) > 0 && g.chance(4) {
		p := g.producers[g.IntN(len(g.producers))]
		req.ProducerID, req.ProducerEpoch = p.id, pick(g, p.epoch, p.epoch+1, -1, 32767)
	}
	if g.chance(15) {
		req.TransactionalID = kmsg.StringPtr("")
	}
	return &op{req: req, then: func(resp kmsg.Response) {
		r := resp.(*kmsg.InitProducerIDResponse)
		if r.ErrorCode != 0 {
			return
		}
		g.producers = append(g.producers, &producer{r.ProducerID, r.ProducerEpoch, map[*partition]int32{}, map[*partition][]byte{}})
		if len(g.producers) > 6 {
			g.producers = g.producers[1:]
		}
	}}
}

func (g *generator) apiVersions() *op {
	req := kmsg.NewPtrApiVersionsRequest()
	g.version(req)
	req.ClientSoftwareName, req.ClientSoftwareVersion = "differ", "1.0"
	o := &op{req: req}
	if g.chance(5) {
		req.ClientSoftwareName = pick(g, "", "bad name!", "-differ")
	}
	if g.chance(4) {
		unknown := pick(g, uint16(5), 99, 32767)
		o.spoil = func(frame []byte) []byte { // the body stays as it is: a broker cannot read it anyway
			binary.BigEndian.PutUint16(frame[6:], unknown)
			return frame
		}
	}
	return o
}

func (g *generator) listConfigResources() *op {
	req := kmsg.NewPtrListConfigResourcesRequest()
	g.version(req)
	req.ResourceTypes = pick(g, nil, []int8{2}, []int8{4}, []int8{8, 16}, []int8{32}, []int8{0}, []int8{77}, []int8{2, 2})
	return &op{req: req}
}

// spoiled is any other request with wrong bytes around its body: cut short, longer, a key or version that is not served, a size that lies.
func (g *generator) spoiled() *op {
	var o *op
	for o == nil || o.spoil != nil || o.changes || o.fenced {
		o = kinds[g.IntN(len(kinds))].make(g)
	}
	o.then, o.fenced = nil, false
	what, n := g.IntN(6), g.Int64()
	o.spoil = func(frame []byte) []byte {
		be := binary.BigEndian
		switch what {
		case 0: // cut within the body
			head := 14 + len(clientID)
			frame = frame[:head+int(uint64(n)%uint64(max(len(frame)-head, 1)))]
			be.PutUint32(frame, uint32(len(frame)-4))
		case 1: // longer than the body
			frame = append(frame, make([]byte, 1+uint64(n)%9)...)
			be.PutUint32(frame, uint32(len(frame)-4))
		case 2: // a version that is not served
			if be.PutUint16(frame[6:], 9999); be.Uint16(frame[4:]) == uint16(apiVersionsKey) {
				be.PutUint16(frame[4:], 3)
			}
		case 3: // a key that is not known
			be.PutUint16(frame[4:], uint16([]int{4, 5, 6, 7, 9999, 65535}[uint64(n)%6]))
		case 4: // larger than a broker takes, or negative
			be.PutUint32(frame, []uint32{1 << 30, 1 << 31, 0xffffffff}[uint64(n)%3])
		case 5: // a client id that is longer than the frame
			be.PutUint16(frame[12:], 30000)
		}
		return frame
	}
	return o
}
