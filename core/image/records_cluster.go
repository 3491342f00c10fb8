package image

import "odradek/core/record"

// Endpoint is a listener of a broker or controller.
type Endpoint struct {
	Name             string
	Host             string
	Port             uint16
	SecurityProtocol int16 // 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL
}

func (e *Endpoint) code(c *coder) {
	c.string(&e.Name)
	c.string(&e.Host)
	c.uint16(&e.Port)
	c.int16(&e.SecurityProtocol)
	c.end()
}

// FeatureRange is a range of levels of a feature that a node can run.
type FeatureRange struct {
	Name     string
	Min, Max int16
}

func (f *FeatureRange) code(c *coder) {
	c.string(&f.Name)
	c.int16(&f.Min)
	c.int16(&f.Max)
	c.end()
}

func codeEndpoint(c *coder, e *Endpoint)    { e.code(c) }
func codeFeature(c *coder, f *FeatureRange) { f.code(c) }

// RegisterBrokerRecord registers an incarnation of a broker.
type RegisterBrokerRecord struct {
	BrokerID             record.NodeID
	IsMigratingZkBroker  bool // versions 2+; always false in 4.x
	IncarnationID        record.UUID
	BrokerEpoch          int64
	EndPoints            []Endpoint
	Features             []FeatureRange
	Rack                 *string
	Fenced               bool          // default true
	InControlledShutdown bool          // versions 1+
	LogDirs              []record.UUID // versions 3+
	CordonedLogDirs      []record.UUID // versions 4+: directories that take no new partition; nil: null, the broker has not said yet
}

// Type returns TypeRegisterBroker.
func (*RegisterBrokerRecord) Type() Type { return TypeRegisterBroker }

func (r *RegisterBrokerRecord) code(c *coder, version int16) {
	int32s(c, &r.BrokerID)
	if version >= 2 {
		c.bool(&r.IsMigratingZkBroker)
	} else {
		c.lacks(r.IsMigratingZkBroker, "IsMigratingZkBroker")
	}
	c.uuid(&r.IncarnationID)
	int64s(c, &r.BrokerEpoch)
	array(c, &r.EndPoints, 7, codeEndpoint)
	array(c, &r.Features, 6, codeFeature)
	c.nullString(&r.Rack)
	c.bool(&r.Fenced)
	if version >= 1 {
		c.bool(&r.InControlledShutdown)
	} else {
		c.lacks(r.InControlledShutdown, "InControlledShutdown")
	}
	c.tags(2, func(tag uint32) bool {
		switch {
		case tag == 0 && version >= 3:
			c.omit = len(r.LogDirs) == 0
			c.uuids(&r.LogDirs)
		case tag == 1 && version >= 4:
			c.optUUIDs(&r.CordonedLogDirs)
		default:
			c.lacks(tag == 0 && len(r.LogDirs) > 0, "LogDirs")
			c.lacks(tag == 1 && r.CordonedLogDirs != nil, "CordonedLogDirs")
			return false
		}
		return true
	})
}

// UnregisterBrokerRecord forgets a registration.
type UnregisterBrokerRecord struct {
	BrokerID    record.NodeID
	BrokerEpoch int64
}

// Type returns TypeUnregisterBroker.
func (*UnregisterBrokerRecord) Type() Type { return TypeUnregisterBroker }

func (r *UnregisterBrokerRecord) code(c *coder, _ int16) {
	int32s(c, &r.BrokerID)
	int64s(c, &r.BrokerEpoch)
	c.end()
}

// FenceBrokerRecord fences a broker; no longer written.
type FenceBrokerRecord UnregisterBrokerRecord

// Type returns TypeFenceBroker.
func (*FenceBrokerRecord) Type() Type { return TypeFenceBroker }

func (r *FenceBrokerRecord) code(c *coder, v int16) { (*UnregisterBrokerRecord)(r).code(c, v) }

// UnfenceBrokerRecord unfences a broker; no longer written.
type UnfenceBrokerRecord UnregisterBrokerRecord

// Type returns TypeUnfenceBroker.
func (*UnfenceBrokerRecord) Type() Type { return TypeUnfenceBroker }

func (r *UnfenceBrokerRecord) code(c *coder, v int16) { (*UnregisterBrokerRecord)(r).code(c, v) }

// BrokerRegistrationChangeRecord changes the registration that BrokerEpoch names.
type BrokerRegistrationChangeRecord struct {
	BrokerID             record.NodeID
	BrokerEpoch          int64
	Fenced               int8          // −1 unfence, 0 same, 1 fence
	InControlledShutdown int8          // versions 1+: 0 same, 1 enter
	LogDirs              []record.UUID // versions 2+: directories still online; empty: same
	CordonedLogDirs      []record.UUID // versions 3+: nil: same
}

// Type returns TypeBrokerRegistrationChange.
func (*BrokerRegistrationChangeRecord) Type() Type { return TypeBrokerRegistrationChange }

func (r *BrokerRegistrationChangeRecord) code(c *coder, version int16) {
	int32s(c, &r.BrokerID)
	int64s(c, &r.BrokerEpoch)
	c.tags(4, func(tag uint32) bool {
		switch {
		case tag == 0:
			c.optInt8(&r.Fenced, 0)
		case tag == 1 && version >= 1:
			c.optInt8(&r.InControlledShutdown, 0)
		case tag == 2 && version >= 2:
			c.omit = len(r.LogDirs) == 0
			c.uuids(&r.LogDirs)
		case tag == 3 && version >= 3:
			c.optUUIDs(&r.CordonedLogDirs)
		default:
			c.lacks(tag == 1 && r.InControlledShutdown != 0, "InControlledShutdown")
			c.lacks(tag == 2 && len(r.LogDirs) > 0, "LogDirs")
			c.lacks(tag == 3 && r.CordonedLogDirs != nil, "CordonedLogDirs")
			return false
		}
		return true
	})
}

// RegisterControllerRecord registers an incarnation of a controller.
type RegisterControllerRecord struct {
	ControllerID     record.NodeID
	IncarnationID    record.UUID
	ZkMigrationReady bool
	EndPoints        []Endpoint
	Features         []FeatureRange
}

// Type returns TypeRegisterController.
func (*RegisterControllerRecord) Type() Type { return TypeRegisterController }

func (r *RegisterControllerRecord) code(c *coder, _ int16) {
	int32s(c, &r.ControllerID)
	c.uuid(&r.IncarnationID)
	c.bool(&r.ZkMigrationReady)
	array(c, &r.EndPoints, 7, codeEndpoint)
	array(c, &r.Features, 6, codeFeature)
	c.end()
}

// FeatureLevelRecord finalizes a feature's level; 0 removes it.
type FeatureLevelRecord struct {
	Name  string
	Level int16
}

// Type returns TypeFeatureLevel.
func (*FeatureLevelRecord) Type() Type { return TypeFeatureLevel }

func (r *FeatureLevelRecord) code(c *coder, _ int16) {
	c.string(&r.Name)
	c.int16(&r.Level)
	c.end()
}

// ProducerIDsRecord hands a block of producer ids to a broker: those below NextProducerID.
type ProducerIDsRecord struct {
	BrokerID       record.NodeID
	BrokerEpoch    int64
	NextProducerID record.ProducerID // first id of the next block
}

// Type returns TypeProducerIDs.
func (*ProducerIDsRecord) Type() Type { return TypeProducerIDs }

func (r *ProducerIDsRecord) code(c *coder, _ int16) {
	int32s(c, &r.BrokerID)
	int64s(c, &r.BrokerEpoch)
	int64s(c, &r.NextProducerID)
	c.end()
}

// NoOpRecord changes nothing; a commit of it shows that the leader can commit.
type NoOpRecord struct{}

// Type returns TypeNoOp.
func (*NoOpRecord) Type() Type { return TypeNoOp }

func (*NoOpRecord) code(c *coder, _ int16) { c.end() }

// ZkMigrationStateRecord is read and ignored since Kafka 4.0.
type ZkMigrationStateRecord struct{ State int8 }

// Type returns TypeZkMigrationState.
func (*ZkMigrationStateRecord) Type() Type { return TypeZkMigrationState }

func (r *ZkMigrationStateRecord) code(c *coder, _ int16) { c.int8(&r.State); c.end() }

// BeginTransactionRecord opens a metadata transaction.
type BeginTransactionRecord struct{ Name *string }

// Type returns TypeBeginTransaction.
func (*BeginTransactionRecord) Type() Type { return TypeBeginTransaction }

func (r *BeginTransactionRecord) code(c *coder, _ int16) {
	c.tags(1, func(uint32) bool { c.optString(&r.Name); return true })
}

// EndTransactionRecord applies the open metadata transaction.
type EndTransactionRecord struct{}

// Type returns TypeEndTransaction.
func (*EndTransactionRecord) Type() Type { return TypeEndTransaction }

func (*EndTransactionRecord) code(c *coder, _ int16) { c.end() }

// AbortTransactionRecord drops the open metadata transaction.
type AbortTransactionRecord struct{ Reason *string }

// Type returns TypeAbortTransaction.
func (*AbortTransactionRecord) Type() Type { return TypeAbortTransaction }

func (r *AbortTransactionRecord) code(c *coder, _ int16) {
	c.tags(1, func(uint32) bool { c.optString(&r.Reason); return true })
}
