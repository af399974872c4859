/// The service as it is in production, for minutes: several replicas on one folder, load without a pause, and
/// everything that goes wrong going wrong. No other test needs these classes.
@org.jspecify.annotations.NullMarked
package dev.dirtymap.reliability;
