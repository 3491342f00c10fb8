package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// RegisterBroker returns the records of a new incarnation of a broker. It is registered fenced, and in the same batch every partition that it leads gets another
// leader or none, so that it never leads in an epoch it led before (DESIGN §4): it is elected again when it is unfenced. The registration comes last: where
// the records need more than one batch, it is committed only with all of them. Its epoch is its offset.
func (s *State) RegisterBroker(img *image.Image, req *kmsg.BrokerRegistrationRequest) ([]image.Record, *kmsg.BrokerRegistrationResponse) {
	response := req.ResponseKind().(*kmsg.BrokerRegistrationResponse)
	response.BrokerEpoch = -1
	id, incarnation := record.NodeID(req.BrokerID), record.UUID(req.IncarnationID)
	old, known := img.Broker(id)
	switch {
	case req.ClusterID != s.ClusterID:
		response.ErrorCode = int16(errcode.InconsistentClusterID)
		return nil, response
	case s.other(img, id, incarnation):
		response.ErrorCode = int16(errcode.DuplicateBrokerRegistration)
		return nil, response
	case known && old.Incarnation == incarnation:
		response.BrokerEpoch = old.Epoch
		s.Sessions.touch(id, s.Now, record.NoOffset)
		return nil, response
	case img.Feature(image.MetadataVersion) == 0 || !supports(req, img):
		response.ErrorCode = int16(errcode.UnsupportedVersion)
		return nil, response
	}
	r := registrationOf(req, img.Feature(image.MetadataVersion))
	lost := nothingLost
	if !known || req.PreviousBrokerEpoch != old.Epoch { // not a clean stop: what was not fsynced may be gone
		e := s.newElection(img)
		lost = func(t *image.Topic) bool { return !e.configs(t).Durable() }
	}
	records := s.newElection(img, r).departed(id, lost)
	r.BrokerEpoch = int64(s.Next) + int64(len(records))
	response.BrokerEpoch = r.BrokerEpoch
	s.Sessions.touch(id, s.Now, record.NoOffset)
	return append(records, r), response
}

// other reports whether another incarnation is registered and lives: its session is not over, fenced or not, and it is not leaving. A fenced one may be starting: a registration of a
// process before it, which comes late, must not take its place. Of this very node's number only this process lives, whatever it was before.
func (s *State) other(img *image.Image, id record.NodeID, incarnation record.UUID) bool {
	if id == s.Self {
		return incarnation != s.Incarnation
	}
	b, ok := img.Broker(id)
	return ok && b.Incarnation != incarnation && !b.InControlledShutdown && s.Sessions.lives(id, s.Now, s.sessionTime())
}

// supports reports whether a broker can run what is finalized of the features that this release has: those that Kafka has besides turn nothing on here.
func supports(req *kmsg.BrokerRegistrationRequest, img *image.Image) bool {
	for _, own := range image.Supported() {
		level := img.Feature(own.Name)
		i := slices.IndexFunc(req.Features, func(f kmsg.BrokerRegistrationRequestFeature) bool { return f.Name == own.Name })
		if level > 0 && (i < 0 || level < req.Features[i].MinSupportedVersion || level > req.Features[i].MaxSupportedVersion) {
			return false
		}
	}
	return true
}

// registrationOf is what is written of a registration; what the finalized metadata.version does not know is left out, as Kafka does.
func registrationOf(req *kmsg.BrokerRegistrationRequest, level int16) *image.RegisterBrokerRecord {
	r := &image.RegisterBrokerRecord{BrokerID: record.NodeID(req.BrokerID), IncarnationID: req.IncarnationID, Rack: req.Rack, Fenced: true}
	for _, l := range req.Listeners {
		r.EndPoints = append(r.EndPoints, image.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port, SecurityProtocol: l.SecurityProtocol})
	}
	for _, f := range req.Features {
		r.Features = append(r.Features, image.FeatureRange{Name: f.Name, Min: f.MinSupportedVersion, Max: f.MaxSupportedVersion})
	}
	if level >= image.MetadataVersionDirectories {
		for _, dir := range req.LogDirs {
			r.LogDirs = append(r.LogDirs, dir)
		}
	}
	return r
}

// BrokerRegistration makes the request of a broker.
func BrokerRegistration(cfg *config.Node, cluster string, incarnation record.UUID, dirs []record.UUID, previous int64) *kmsg.BrokerRegistrationRequest {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.Version = 4
	req.BrokerID, req.ClusterID, req.IncarnationID, req.PreviousBrokerEpoch = int32(cfg.NodeID), cluster, incarnation, previous
	if cfg.Rack != "" {
		rack := cfg.Rack
		req.Rack = &rack
	}
	list := cfg.Advertised
	if len(list) == 0 {
		list = cfg.Listeners
	}
	for _, l := range list {
		out := kmsg.NewBrokerRegistrationRequestListener()
		out.Name, out.Host, out.Port = l.Name, l.Host, uint16(l.Port)
		req.Listeners = append(req.Listeners, out)
	}
	for _, f := range image.Supported() {
		out := kmsg.NewBrokerRegistrationRequestFeature()
		out.Name, out.MinSupportedVersion, out.MaxSupportedVersion = f.Name, f.Min, f.Max
		req.Features = append(req.Features, out)
	}
	for _, dir := range dirs {
		req.LogDirs = append(req.LogDirs, dir)
	}
	return req
}

// RegisterController returns the record of a new incarnation of a controller.
func (s *State) RegisterController(img *image.Image, req *kmsg.ControllerRegistrationRequest) ([]image.Record, *kmsg.ControllerRegistrationResponse) {
	response := req.ResponseKind().(*kmsg.ControllerRegistrationResponse)
	if img.Feature(image.MetadataVersion) < image.MetadataVersionControllers {
		response.ErrorCode = int16(errcode.UnsupportedVersion)
		return nil, response
	}
	for c := range img.Controllers() {
		if c.ControllerID == record.NodeID(req.ControllerID) && c.IncarnationID == record.UUID(req.IncarnationID) {
			return nil, response
		}
	}
	r := &image.RegisterControllerRecord{ControllerID: record.NodeID(req.ControllerID), IncarnationID: req.IncarnationID, ZkMigrationReady: req.ZkMigrationReady}
	for _, l := range req.Listeners {
		r.EndPoints = append(r.EndPoints, image.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port, SecurityProtocol: l.SecurityProtocol})
	}
	for _, f := range req.Features {
		r.Features = append(r.Features, image.FeatureRange{Name: f.Name, Min: f.MinSupportedVersion, Max: f.MaxSupportedVersion})
	}
	return []image.Record{r}, response
}

// ControllerRegistration makes the request of a controller.
func ControllerRegistration(cfg *config.Node, incarnation record.UUID) *kmsg.ControllerRegistrationRequest {
	req := kmsg.NewPtrControllerRegistrationRequest()
	req.ControllerID, req.IncarnationID = int32(cfg.NodeID), incarnation
	for _, l := range cfg.Controllers {
		out := kmsg.NewControllerRegistrationRequestListener()
		out.Name, out.Host, out.Port = l.Name, l.Host, uint16(l.Port)
		req.Listeners = append(req.Listeners, out)
	}
	for _, f := range image.Supported() {
		out := kmsg.NewControllerRegistrationRequestFeature()
		out.Name, out.MinSupportedVersion, out.MaxSupportedVersion = f.Name, f.Min, f.Max
		req.Features = append(req.Features, out)
	}
	return req
}

// UnregisterBroker returns the records that forget a broker.
func (s *State) UnregisterBroker(img *image.Image, req *kmsg.UnregisterBrokerRequest) ([]image.Record, *kmsg.UnregisterBrokerResponse) {
	response := req.ResponseKind().(*kmsg.UnregisterBrokerResponse)
	id := record.NodeID(req.BrokerID)
	b, ok := img.Broker(id)
	if !ok {
		p := problem(errcode.BrokerIDNotRegistered, "Broker ID %d is not currently registered", id)
		response.ErrorCode, response.ErrorMessage = int16(p.Code), &p.Message
		return nil, response
	}
	gone := &image.UnregisterBrokerRecord{BrokerID: id, BrokerEpoch: b.Epoch}
	s.Sessions.forget(id)
	return append(s.newElection(img, gone).departed(id, nothingLost), gone), response
}
