-- Tells api processes what changed and where, for the pages that show it: workspace, kind and place, never a value. A
-- statement tells once for each place; one that touches more than 50 places tells the kind alone.

create function notify_places(kind text, places jsonb[]) returns void language plpgsql as $$
begin
    if cardinality(places) <= 50 then
        perform pg_notify('events', (jsonb_build_object('kind', kind) || p)::text) from unnest(places) p;
    else
        perform pg_notify('events', jsonb_build_object('kind', kind, 'w', w)::text)
            from (select distinct p->>'w' as w from unnest(places) p) d;
    end if;
end
$$;

create function tell_project() returns trigger language plpgsql as $$
begin
    perform notify_places('project', array(select distinct jsonb_build_object('w', r.workspace_id, 'p', r.id,
        'project', r.slug) from changed r));
    return null;
end
$$;

create function tell_environment() returns trigger language plpgsql as $$
begin
    perform notify_places('environment', array(select distinct jsonb_build_object('w', p.workspace_id, 'p', p.id,
        'project', p.slug, 'environment', r.name) from changed r join project p on p.id = r.project_id));
    return null;
end
$$;

create function tell_service() returns trigger language plpgsql as $$
begin
    perform notify_places('service', array(select distinct jsonb_build_object('w', p.workspace_id, 'p', p.id,
        'project', p.slug, 'environment', e.name, 'service', r.slug)
        from changed r join environment e on e.id = r.environment_id join project p on p.id = e.project_id));
    return null;
end
$$;

create function tell_change() returns trigger language plpgsql as $$
begin
    perform notify_places('service', array(select distinct jsonb_build_object('w', p.workspace_id, 'p', p.id,
        'project', p.slug, 'environment', e.name, 'service', s.slug)
        from changed r join service s on s.id = r.service_id join environment e on e.id = s.environment_id
        join project p on p.id = e.project_id));
    return null;
end
$$;

create function tell_deployment() returns trigger language plpgsql as $$
begin
    perform notify_places('deployment', array(select distinct jsonb_build_object('w', p.workspace_id, 'p', p.id,
        'project', p.slug, 'environment', e.name, 'service', s.slug, 'deployment', r.hash)
        from changed r join service s on s.id = r.service_id join environment e on e.id = s.environment_id
        join project p on p.id = e.project_id));
    return null;
end
$$;

create function tell_variable() returns trigger language plpgsql as $$
begin
    perform notify_places('variable', array(select distinct jsonb_build_object('w', p.workspace_id, 'p', p.id,
        'project', p.slug, 'environment', e.name)
        from changed r join environment e on e.id = r.environment_id join project p on p.id = e.project_id));
    return null;
end
$$;

create function tell_workspace() returns trigger language plpgsql as $$
begin
    perform notify_places(tg_argv[0], array(select distinct jsonb_build_object('w', r.workspace_id) from changed r));
    return null;
end
$$;

create function tell_own() returns trigger language plpgsql as $$
begin
    perform notify_places('workspace', array(select distinct jsonb_build_object('w', r.id) from changed r));
    return null;
end
$$;

create function tell_guest() returns trigger language plpgsql as $$
begin
    perform notify_places('member', array(select distinct jsonb_build_object('w', m.workspace_id)
        from changed r join membership m on m.id = r.membership_id));
    return null;
end
$$;

create function tell_on(tab text, fn text, arg text default '') returns void language plpgsql as $$
begin
    execute format('create trigger tell_insert after insert on %I referencing new table as changed'
                   ' for each statement execute function %I(%L)', tab, fn, arg);
    execute format('create trigger tell_update after update on %I referencing new table as changed'
                   ' for each statement execute function %I(%L)', tab, fn, arg);
    execute format('create trigger tell_delete after delete on %I referencing old table as changed'
                   ' for each statement execute function %I(%L)', tab, fn, arg);
end
$$;

select tell_on('project', 'tell_project');
select tell_on('environment', 'tell_environment');
select tell_on('service', 'tell_service');
select tell_on('service_change', 'tell_change');
select tell_on('deployment', 'tell_deployment');
select tell_on('environment_variable', 'tell_variable');
select tell_on('registry_credential', 'tell_workspace', 'registry');
select tell_on('membership', 'tell_workspace', 'member');
select tell_on('workspace_invitation', 'tell_workspace', 'invitation');
select tell_on('workspace', 'tell_own');
select tell_on('membership_project', 'tell_guest');
drop function tell_on;
