package image

import "fmt"

// Replayer folds the committed metadata log into images that advance at whole metadata transactions only (KIP-868). What an open
// transaction changes is kept in a draft of its own and shows in no image until EndTransaction; AbortTransaction throws it away.
//
//	Apply … Apply, at the end of a batch: Image
//
// Invariant: the image that Image returns contains the log up to the last Begin that is still open, or else up to the last Apply.
type Replayer struct {
	base *Image // holds everything before draft
	// draft takes records; open: it holds a transaction, and base is what is to be seen meanwhile.
	draft   *Draft
	open    bool
	applied At   // the last record taken
	dirty   bool // something was applied that base does not hold
}

// NewReplayer returns a Replayer that goes on from img: Empty(), or that of a snapshot.
func NewReplayer(img *Image) *Replayer {
	return &Replayer{base: img, draft: img.Draft(), applied: img.At()}
}

// Apply takes the record at at. After an error (ErrInconsistent, naming the record and its offset) the Replayer is of no more use.
func (p *Replayer) Apply(r Record, at At) error {
	if err := p.apply(r, at); err != nil {
		return fmt.Errorf("metadata offset %d: %w", at.Offset, err)
	}
	p.applied, p.dirty = at, true
	return nil
}

func (p *Replayer) apply(r Record, at At) error {
	switch r.(type) {
	case *BeginTransactionRecord:
		if p.open {
			return inconsistent("BeginTransaction inside a transaction")
		}
		if _, err := p.Image(); err != nil {
			return err
		}
		p.open = true
		return nil
	case *EndTransactionRecord, *AbortTransactionRecord:
		if !p.open {
			return inconsistent("%s outside a transaction", r.Type())
		}
		if r.Type() == TypeAbortTransaction {
			p.draft = p.base.Draft()
		}
		p.open = false
		return nil
	}
	return p.draft.Replay(r)
}

// Skip moves on over what is no record of ours: a control batch, whose last record is at at.
func (p *Replayer) Skip(at At) { p.applied, p.dirty = at, true }

// Open says whether a metadata transaction is open: a new leader that finds one writes AbortTransaction.
func (p *Replayer) Open() bool { return p.open }

// Applied is the last record taken, whether or not an image shows it.
func (p *Replayer) Applied() At { return p.applied }

// Image returns the newest image that may be seen. It is to be asked for at the end of a batch, which is what is atomic; the same
// image is returned again while nothing was applied or a transaction is open.
func (p *Replayer) Image() (*Image, error) {
	if p.open || !p.dirty {
		return p.base, nil
	}
	img, err := p.draft.Freeze(p.applied)
	if err != nil {
		return nil, err
	}
	p.base, p.dirty = img, false
	return img, nil
}
