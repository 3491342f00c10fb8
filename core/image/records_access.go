package image

import "odradek/core/record"

// DelegationTokenRecord creates or renews a delegation token. Principals read "User:name"; times are Unix milliseconds.
type DelegationTokenRecord struct {
	Owner               string
	Requester           string
	Renewers            []string
	IssueTimestamp      record.UnixMillis
	MaxTimestamp        record.UnixMillis
	ExpirationTimestamp record.UnixMillis
	TokenID             string
}

// Type returns TypeDelegationToken.
func (*DelegationTokenRecord) Type() Type { return TypeDelegationToken }

func (r *DelegationTokenRecord) code(c *coder, _ int16) {
	c.string(&r.Owner)
	c.string(&r.Requester)
	c.strings(&r.Renewers)
	int64s(c, &r.IssueTimestamp)
	int64s(c, &r.MaxTimestamp)
	int64s(c, &r.ExpirationTimestamp)
	c.string(&r.TokenID)
	c.end()
}

// RemoveDelegationTokenRecord removes a delegation token.
type RemoveDelegationTokenRecord struct{ TokenID string }

// Type returns TypeRemoveDelegationToken.
func (*RemoveDelegationTokenRecord) Type() Type { return TypeRemoveDelegationToken }

func (r *RemoveDelegationTokenRecord) code(c *coder, _ int16) { c.string(&r.TokenID); c.end() }

// UserScramCredentialRecord sets a user's credential for one mechanism (RFC 5802).
type UserScramCredentialRecord struct {
	Name       string
	Mechanism  int8 // 1 SCRAM-SHA-256, 2 SCRAM-SHA-512
	Salt       []byte
	StoredKey  []byte
	ServerKey  []byte
	Iterations int32
}

// Type returns TypeUserScramCredential.
func (*UserScramCredentialRecord) Type() Type { return TypeUserScramCredential }

func (r *UserScramCredentialRecord) code(c *coder, _ int16) {
	c.string(&r.Name)
	c.int8(&r.Mechanism)
	c.bytes(&r.Salt)
	c.bytes(&r.StoredKey)
	c.bytes(&r.ServerKey)
	int32s(c, &r.Iterations)
	c.end()
}

// RemoveUserScramCredentialRecord removes a user's credential for one mechanism.
type RemoveUserScramCredentialRecord struct {
	Name      string
	Mechanism int8
}

// Type returns TypeRemoveUserScramCredential.
func (*RemoveUserScramCredentialRecord) Type() Type { return TypeRemoveUserScramCredential }

func (r *RemoveUserScramCredentialRecord) code(c *coder, _ int16) {
	c.string(&r.Name)
	c.int8(&r.Mechanism)
	c.end()
}

// QuotaEntity is one part of what a quota is for. A nil Name is the default of its type.
type QuotaEntity struct {
	Type string // "user", "client-id" or "ip"
	Name *string
}

func codeEntity(c *coder, e *QuotaEntity) {
	c.string(&e.Type)
	c.nullString(&e.Name)
	c.end()
}

// ClientQuotaRecord sets or removes one quota of an entity. ValueBits are the bits of an IEEE 754 double: the core has no floats.
type ClientQuotaRecord struct {
	Entity    []QuotaEntity
	Key       string
	ValueBits uint64
	Remove    bool
}

// Type returns TypeClientQuota.
func (*ClientQuotaRecord) Type() Type { return TypeClientQuota }

func (r *ClientQuotaRecord) code(c *coder, _ int16) {
	array(c, &r.Entity, 3, codeEntity)
	c.string(&r.Key)
	c.uint64(&r.ValueBits)
	c.bool(&r.Remove)
	c.end()
}

// AccessControlEntryRecord adds an ACL; the numbers are Kafka's (RECORDS §5).
type AccessControlEntryRecord struct {
	ID             record.UUID
	ResourceType   int8
	ResourceName   string
	PatternType    int8
	Principal      string
	Host           string
	Operation      int8
	PermissionType int8
}

// Type returns TypeAccessControlEntry.
func (*AccessControlEntryRecord) Type() Type { return TypeAccessControlEntry }

func (r *AccessControlEntryRecord) code(c *coder, _ int16) {
	c.uuid(&r.ID)
	c.int8(&r.ResourceType)
	c.string(&r.ResourceName)
	c.int8(&r.PatternType)
	c.string(&r.Principal)
	c.string(&r.Host)
	c.int8(&r.Operation)
	c.int8(&r.PermissionType)
	c.end()
}

// RemoveAccessControlEntryRecord removes an ACL.
type RemoveAccessControlEntryRecord struct{ ID record.UUID }

// Type returns TypeRemoveAccessControlEntry.
func (*RemoveAccessControlEntryRecord) Type() Type { return TypeRemoveAccessControlEntry }

func (r *RemoveAccessControlEntryRecord) code(c *coder, _ int16) { c.uuid(&r.ID); c.end() }
