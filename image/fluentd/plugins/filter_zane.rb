# What ingest needs in each record and JSON can carry: valid UTF-8 without NUL, the tag, and the time with
# every nanosecond that the driver stamped (docs/internals.md, "Ingest").
require 'fluent/plugin/filter'

module Fluent::Plugin
  class ZaneFilter < Filter
    Fluent::Plugin.register_filter('zane', self)

    def filter(tag, time, record)
      record.each do |key, value|
        next unless value.is_a?(String)
        value = value.dup.force_encoding(Encoding::UTF_8)
        value = value.scrub("\uFFFD") unless value.valid_encoding?
        record[key] = value.include?("\0") ? value.tr("\0", "\u2400") : value
      end
      record['tag'] = tag
      record['time'] = format('%d.%09d', time.to_i, time.is_a?(Fluent::EventTime) ? time.nsec : 0)
      record
    end
  end
end
