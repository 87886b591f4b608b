package frontend

import (
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	updatepb "go.temporal.io/api/update/v1"
	"golang.org/x/net/http/httpguts"
	"google.golang.org/protobuf/proto"

	"perdure/server/apierr"
)

// checkCallbacks refuses callbacks that cannot be called, and writes the names of their headers in lower case.
func (f *Frontend) checkCallbacks(callbacks []*commonpb.Callback) error {
	if len(callbacks) > f.limits.CallbacksMax {
		return apierr.InvalidArgument("cannot attach more than %d callbacks to an execution", f.limits.CallbacksMax)
	}
	for _, c := range callbacks {
		if err := f.checkCallback(c); err != nil {
			return err
		}
	}
	return nil
}

func (f *Frontend) checkCallback(c *commonpb.Callback) error {
	switch v := c.GetVariant().(type) {
	case *commonpb.Callback_Nexus_:
		return f.checkAddress(v.Nexus)
	case *commonpb.Callback_Internal_:
		return apierr.InvalidArgument("unsupported callback variant: %T", v)
	default:
		return serviceerror.NewUnimplementedf("unknown callback variant: %s", typeName(v))
	}
}

func (f *Frontend) checkAddress(c *commonpb.Callback_Nexus) error {
	if longest := f.limits.CallbackURLBytesMax; len(c.GetUrl()) > longest {
		return apierr.InvalidArgument("invalid url: url length longer than max length allowed of %d", longest)
	}
	if wrong := f.addresses.Check(c.GetUrl()); wrong != "" {
		return apierr.InvalidArgument("%s", wrong)
	}
	lower := make(map[string]string, len(c.GetHeader()))
	size := 0
	for name, value := range c.GetHeader() {
		size += len(name) + len(value)
		lower[strings.ToLower(name)] = value
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return apierr.InvalidArgument("invalid header: %q cannot be sent as a header of HTTP", name)
		}
	}
	if size > f.limits.CallbackHeaderBytesMax {
		return apierr.InvalidArgument("invalid header: header size longer than max allowed size of %d", f.limits.CallbackHeaderBytesMax)
	}
	if len(lower) > 0 {
		c.Header = lower
	}
	return nil
}

// checkCallbackLinks holds the links of a call and of its callbacks against the
// limit, and returns those of the call that no callback carries.
func (f *Frontend) checkCallbackLinks(links []*commonpb.Link, callbacks []*commonpb.Callback) ([]*commonpb.Link, error) {
	var carried []*commonpb.Link
	for _, c := range callbacks {
		carried = append(carried, c.GetLinks()...)
	}
	own := links
	if len(carried) > 0 {
		own = slices.DeleteFunc(slices.Clone(links), func(l *commonpb.Link) bool {
			return slices.ContainsFunc(carried, func(other *commonpb.Link) bool { return proto.Equal(l, other) })
		})
	}
	return own, f.checkLinks(slices.Concat(own, carried))
}

// checkUpdateCallbacks refuses callbacks of an update that cannot be called or be told apart when they come again.
func (f *Frontend) checkUpdateCallbacks(update *updatepb.Request) error {
	callbacks := update.GetCompletionCallbacks()
	switch longest := f.limits.CallbacksPerUpdateMax; {
	case len(callbacks) == 0:
		return nil
	case update.GetRequestId() == "":
		return apierr.InvalidArgument("invalid *update.Request: request_id is required when completion_callbacks are set")
	case len(callbacks) > longest:
		return serviceerror.NewFailedPreconditionf("cannot attach more than %d callbacks to an update (0 callbacks already attached)", longest)
	}
	return f.checkCallbacks(callbacks)
}
